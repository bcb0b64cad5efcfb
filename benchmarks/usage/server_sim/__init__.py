"""A server of one worker, simulated event by event: `python -m benchmarks.usage.server_sim`. No clock is read.

In: requests with times of arrival, times of the worker's stages, a policy of what is kept. Out: how each request was
answered and when.

- `stages`: seconds of a batch's stages, by its size; points of a front
- `arrivals`: requests with times
- `server`: the worker, the queue, what is joined, kept and shed
- `ahead`: what an idle worker makes ahead
- `outcome`: what came of it
- `figures`: the cases that are compared
"""

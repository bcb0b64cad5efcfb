"""The engine: many generations, step by step, through any unmodified pipeline.

In: pipelines, what is applied to them, and requests. Out: jobs, which have progress and results.

- `engine`, `job`, `figures`: what a user holds
- `loop`: the thread that turns are given in
- `conductor`, `computing`, `running`: who begins and whose turn it is; what a turn computes; a job that runs
- `means`, `budget`, `starting_state`: under what a request is run; within which memory all are; what its arguments
  were, so that it can begin anew
- `adapters`: which LoRAs act
- `isolation`: what a generation has to itself
- `preview`: what a job would give by now, as small pictures
- `turns`: whose turn it is, what is computed together, and what it costs
- `weights`: which pipelines' weights are there, where they do not fit all together

Imports loading and below; no web.
"""

from .engine import Engine
from .job import Job, Progress, Request
from .weights.shelf import Shelf

__all__ = ["Engine", "Job", "Progress", "Request", "Shelf"]

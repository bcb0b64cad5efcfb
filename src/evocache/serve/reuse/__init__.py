"""Reuse across requests: what is stored, or being made, is not made again; never between tenants.

In: requests, and what becomes of their runs. Out: answers, and a record of each request.

- `settings`: what is shared, and how much is kept
- `keys`: what a result depends on, as a digest
- `stored`: a result as bytes, without loss; `results`: results in a learning cache of each tenant
- `flights`: what is being made, and all who wait for it; `waiter`: each of them
- `accounts`: how something was made, as its run tells
- `records`: an event of usage for each request, without its text unless that is agreed to
- `asking`: one request, answered from all of these; `reuse`: all of this together

Imports control, requests and the contracts of workers, and the learning cache; no torch.
"""

"""A report of usage: all patterns of a stream of requests as one value, and what it means in words.

In: requests, one after the other. Out: a `UsageReport`, and sentences.

- `analysis`: gathers all patterns in one pass, in bounded memory
- `contents`: the report as a value
- `slices`: requests, hits and different keys over the stream
- `replays`: what caches of given rooms would have had of the last requests
- `meaning`: what the figures mean and what to do, a sentence a section; what was sampled

Imports `usage.patterns`, `usage.policies`, `usage.learn`, `usage.records` and `units`.
"""

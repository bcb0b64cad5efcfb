"""Patterns of usage: what repeats, who asks, when, what changes; in bounded memory, of streams that may be merged.

In: requests, one after the other, with the number of requests so far or the time. Out: figures. All of them know keys,
owners and groups by their digests. `merge(other)` adds what another process, or a later part of the stream, has seen:
exactly, or within the bound that the class states.

- `frequency`: counts that age, of the most frequent keys
- `arrivals`: how long until a key is asked for again
- `repeats`: how often owners repeat themselves, and others
- `distinct`: how many different keys within a window
- `reuse_distance`, `byte_stack`: what more room would gain an LRU
- `drift`: when the hit rate or what is popular changed
- `popularity`: what is popular now, and what will be
- `requests`: requests of records or traces, as patterns read them; `trace_file`: traces as CSV or JSON
- `report`: all of it as one value, in one pass, and what it means
- `settings`: keys as numbers, and the check that two patterns can be merged

Imports `errors`, `extras`, `units`, `usage.keys`, `usage.records`, `usage.policies`, `usage.learn` and numpy; river
only where it is installed.
"""

"""The cache itself: a mapping that computes what it lacks, and learns what is worth keeping.

In: keys and functions that compute their values. Out: values, most of them kept; figures of what was gained.

- `learning_cache`: the mapping; `entry`, `stats`: what it holds and what it did
- `contents`: what is held in memory; `lower_tiers`: what is below; `answers`: who is asked, in which order
- `single_flight`: equal questions in flight are computed once; `renewals`: stale answers are computed anew
- `steps`: threads and coroutines take the steps of an answer alike
- `event_log`: requests are recorded
- `decorator`: `@cached`, over `functions`: functions, coroutines and methods
- `tenants`: caches that share nothing

Imports `keys`, `policies`, `learn`, `tiers`, `errors`, `units`.
"""

"""The cache itself: a mapping that computes what it lacks, and learns what is worth keeping.

In: keys and functions that compute their values. Out: values, most of them kept; figures of what was gained.

- `learning_cache`: the mapping; `entry`, `stats`: what it holds and what it did
- `single_flight`: equal questions in flight are computed once
- `upkeep`: what happens behind a hit: a ring of hits that the policy is told of, a thread that learns
- `decorator`: `@cached`, for functions, coroutines and methods
- `tenants`: caches that share nothing

Imports `keys`, `policies`, `learn`, `tiers`, `errors`, `units`.
"""

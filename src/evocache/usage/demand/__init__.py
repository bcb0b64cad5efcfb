"""Demand: how often an entry is expected to be asked for. numpy only.

In: requests, one after the other. Out: what each entry is worth at a moment, under weights that are evolved elsewhere.

- `weights`: the numbers that evolve, those that the package begins with
- `formula`: what a request changes in the tables, and the score that is read from them
- `rows`, `demand`: the tables themselves, bounded, with a row a key, owner and group
- `scored`: the eviction policy that goes by the score

Imports nothing of the house but `policies.policy`.
"""

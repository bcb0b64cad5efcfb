"""Profiles: what is known of owners, each by a digest. Bounded, in memory, and forgotten when they wish it.

In: who asked for what, one request after the other. Out: the probability that an owner asks the last question again;
what is worth computing ahead while nobody waits; each owner's part of a cache.

- `habits`: the probability, from an owner's own requests as far as these tell more than everybody's
- `speculation`: what to compute ahead, within a share of the time
- `scoring`: how good it is, by how much is known of the owner
- `fairness`: parts of owners, and a policy that bounds them

Imports `errors`, `usage.late`, `usage.warner`, `demand.rows`, `policies.policy` and numpy.
"""

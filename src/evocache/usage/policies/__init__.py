"""Eviction policies: who stays in a cache of so many bytes, and who leaves.

In: what was asked (digests, bytes, seconds, owners), one request after the other. Out: the keys that leave. A policy
never sees a key's text or a value, reads no clock and draws from a generator of its own, so that it decides the same in
a replay as in the cache.

- `policy`: the contract
- `lru`, `fifo`, `sieve`, `s3fifo`, `wtinylfu`, and in `ranked` `lfu`, `gdsf`, `lcbfu`: published policies
- `queue`: a dict whose oldest key leaves first
- `sketch`: how often keys were asked for lately, in a few bytes a key
- `belady`: what knowing the future gains, and a bound that holds for any sizes
- `learned`, `features`: a weighted score of plain features, whose weights are evolved
- `registry`: policies by name
- `trace`, `simulate`: requests as columns, and the replay of them

Imports `errors` and numpy; nothing of a cache that uses it.
"""

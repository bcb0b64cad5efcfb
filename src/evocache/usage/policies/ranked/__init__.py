"""Policies that give each entry a rank, and evict the lowest.

In: what was asked, as of all policies. Out: the keys that leave, of the lowest rank first.

- `ranked`: the heap that they share
- `order`: rank and last use as one whole number
- `lfu`, `gdsf`, `lcbfu`: a rank a file

Imports the contract, `policy`; nothing else.
"""

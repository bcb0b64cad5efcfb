"""Policies that give each entry a rank, and evict the lowest.

- `ranked`: the heap that they share
- `lfu`, `gdsf`, `lcbfu`: a rank a file
"""

"""Keys: what two questions have in common if they are the same one, in every process; and what their answers take.

In: arguments, functions and values. Out: bytes that name them, digests that nobody can guess, bytes of memory, copies
that no caller can spoil.

- `canonical`: bytes of a Python value that are the same in every process; `arrays`, `frames`, `plain`, `named` write
  the kinds
- `digest`: keyed digests of keys, owners and groups
- `secret`: the installation's secret, which digests are keyed by
- `code_version`: digest of what a function computes
- `sizes`: bytes of a value in memory
- `protection`: values that neither callers nor hits can change

Imports `errors`; numpy, and libraries of which a value is, where they are already loaded.
"""

"""Codecs: a value as bytes that say all of it, and back.

In: a value. Out: the name of a format and bytes, or nothing where no codec gives exactly that value back.

- `codec`: the contract, and the choice among codecs
- `plain`: bytes, JSON
- `tensors`: numpy arrays and torch tensors, and containers of them, as safetensors files; `safe_file` is that format
- `frames`: pandas and polars, as Arrow streams
- `pickled`: everything else, only where it is asked for

Imports `errors` and `usage.keys`.
"""

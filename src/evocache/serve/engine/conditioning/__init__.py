"""Conditioning: what encoders return for prompts and pictures that were given before, so that they are not called.

In: calls of encoders that are handed over. Out: their outputs, to the bit those of the call by itself.

- `purity`: whether an encoder's output follows from its arguments alone
- `call_keys`: what such a call is known by: its arguments, to the value
- `kept_output`: an output in memory of its own
- `conditioning`: those that are held, within a number of bytes

Imports `usage.policies`, and runtime and below; it knows neither jobs nor turns.
"""

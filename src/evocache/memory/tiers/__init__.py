"""Tiers below the device: where stored features wait between a write and a far read.

In: tensors that leave the device. Out: the same tensors, bit for bit, when they are asked for.

- `tier`: the contract
- `host`: pinned host memory, moved by streams beside the one that computes
- `disk`: a file, written and read by a thread of its own
- `folders`: where such a file is, so that it is not in memory again
- `tier_lending`: one tier for all calls that are open at once

Imports `errors`; no schedule, no planner.
"""

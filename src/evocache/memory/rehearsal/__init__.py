"""The rehearsal: a call on the meta device, to see what it would hold without computing it.

In: a module, a method and its arguments. Out: bytes, over the course of the call.

- `rehearsal`: a shadow of the module, its call, what is held in it
- `fake_operations`: operations on the meta device, each worked out once
- `meta_overrides`: what code not written for the meta device is told
- `known_constants`: whole numbers that a call makes of whole numbers

Imports `memory.ledger` and `memory.cudnn_workspace`; no slicing, no planner.
"""

"""Which stored features leave the device between two uses, and when they move. Pure: no torch.

In: when values are written and read (lifetimes), and a capacity in bytes. Out: the moves that meet it.

- `lifetimes`, `gaps`: when values are used; what lies between two uses
- `swap_selection`, `lower_bound`: which gaps are parked; the least that any choice moves
- `capacity_shares`: one room shared by all branches
- `transfer_tape`: the moves of a branch, event by event

Imports the schedule's liveness; nothing else of `memory`.
"""

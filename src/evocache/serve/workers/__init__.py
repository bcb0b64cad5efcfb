"""Workers: who makes what is asked for.

In: tasks. Out: updates, the last of each task its end.

- `task`, `updates`, `card`: what a worker is asked for, what it tells, what it says of its models
- `worker`: what a worker is
- `local`: a worker in this process; `teller`: tells in order, of each task one end
- `models`: what workers hold
- `supervisor`: several of them, replaced where they die or hang
- `process`: a worker in a process of its own; `child`: that process; `channel`, `messages`: what both say

Imports the engine and below; neither torch nor diffusers before a worker starts.
"""

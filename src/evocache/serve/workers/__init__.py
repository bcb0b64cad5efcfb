"""Workers: who makes what is asked for.

In: tasks. Out: updates, the last of each task its end.

- `task`, `updates`, `card`: what a worker is asked for, what it tells, what it says of its models
- `worker`: what a worker is

Imports the engine and below.
"""

"""Control: who comes in, which point of the front they get, and who goes next.

In: tasks, what their owners wish, and workers. Out: runs, whose updates are the workers', or a refusal at the door.

- `predict/`: seconds that a task takes, and how much predicted work the workers do in a second
- `points`, `front_control`: which points of a front a request may get; which of these it gets now
- `backlog`: predicted work that waits and runs, by model and by owner
- `admission`, `ticket`, `rates`, `refusal`: who is let in at the door, the place behind it, quotas of keys, and what is
  said to those who are not let in
- `shares`, `deadlines`, `order`: who has had least; who is short of time; who goes next
- `desk`: all of this together, without workers; `figures`: of it, for operators
- `run`: what became of a task
- `queue/`: runs that wait, and those that workers have
- `dispatch`: the object that all of this is used by

Only `run`, `queue` and `dispatch` know asyncio; the clock is handed to the last, and passed on.

Imports the contracts of workers, and no torch.
"""

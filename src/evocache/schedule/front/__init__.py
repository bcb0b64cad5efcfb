"""Pareto fronts: points (a schedule with what was measured of it), none of which dominates another.

In: schedules with their figures, or a `front.json`. Out: `Front`, `Point`, the front's file, and the comparison of
measured figures.

- `point`: a schedule with its figures
- `front`: the front, what is picked of it, how it is retargeted
- `wishes`: what is asked of a point, and how far one is from it
- `front_file`: the file that keeps it
- `context`: where a point was evolved, and in what a call differs from that
- `front_table`: the table that is printed of it
- `comparison`: which measured figures can be believed, and what is worth more

Imports the schedule, its files, `units` and `tables`; no model, no torch.
"""

from .front import Front
from .point import Point

__all__ = ["Front", "Point"]

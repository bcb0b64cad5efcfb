"""Schedules: what is computed, reused or forecast at every step. numpy only; nothing here knows torch.

In: components of a model, and actions. Out: an immutable grid, steps x components, and what follows from it.

- `action`, `component`, `schedule`, `columns`: actions, the tree of components, the grid, grids of some columns
- `canonical`, `tree_match`: the one grid for each behaviour; a file's tree compared with the model's own
- `branches`: what a step's first call follows, and the calls that guidance adds
- `resample`, `retarget`: a grid for another number of steps; a schedule for a variant of the model
- `liveness`: which features are stored from when to when; peak bytes
- `render`, `tree_table`: heat maps of schedules and tables of components, for the terminal
- `numbers`, `size_limits`: numbers of a user, and sizes, refused before anything is made
- `front`, `io`: Pareto fronts; files

Imports `errors`, `units` and `tables`.
"""

from .action import COMPUTE, MAX_ORDER, REUSE, Action, forecast
from .columns import uniform
from .component import (
    GUIDANCE,
    KINDS,
    LEAF_KINDS,
    Component,
    Tree,
    deep_depth,
    deep_id,
    guidance_id,
    span_id,
    span_range,
)
from .io.json import dumps, load, loads, save
from .schedule import Provenance, Schedule

__all__ = [
    "COMPUTE",
    "GUIDANCE",
    "KINDS",
    "LEAF_KINDS",
    "MAX_ORDER",
    "REUSE",
    "Action",
    "Component",
    "Provenance",
    "Schedule",
    "Tree",
    "deep_depth",
    "deep_id",
    "dumps",
    "forecast",
    "guidance_id",
    "load",
    "loads",
    "save",
    "span_id",
    "span_range",
    "uniform",
]

"""The planner: what is offloaded, sliced and parked to fit a budget in the least predicted time. Pure.

In: a footprint (what a generation holds, whole and in slices), a machine, a budget in bytes. Out: a `MemoryPlan`, or by
how many bytes the budget is missed.

- `footprint`: what a generation holds, call by call
- `planner`: the choice
- `plan_table`: a plan as it is printed
- `timeline`: what a plan holds from stage to stage and step to step

Imports swapping, slicing's types, quantization and `tables`; nothing live.
"""

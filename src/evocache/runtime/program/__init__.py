"""What is applied, compiled: tables that are known before the generation starts. Pure but for forecasts.

In: a schedule, a policy, a point, a spec or a file. Out: rows, one a step, that say what is stored, read and freed.

- `program`: what is applied, from any form in which a user may give it
- `step_arguments`: the number of steps that a call of a pipeline is asked for
- `plan`: a schedule compiled to rows
- `forecast`: weights of forecasts, and their one use on tensors

Imports the schedule, policies and `memory.planner`; no operations, nothing that is attached.
"""

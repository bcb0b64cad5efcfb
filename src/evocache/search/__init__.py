"""Searching for schedules: evolution of a Pareto front over quality, latency and memory.

In: a calibration, what may vary, answers of evaluations. Out: designs to evaluate, and in the end a front.

- `genome`, `seeds`, `optimise`: what is varied, from where, and how (ask and tell). Pure
- `cost`, `memory_cost`, `objectives`: what designs cost, and what is minimised
- `calibrate`, `evaluate`: measurements and jobs on live pipelines
- `storage`, `run`: a run's files; a run as the replay of its journal
- `evolve_arguments`, `termination`: lists that a user gives; SIGTERM undoes what was begun

Imports metrics, the runtime and below; no validation, no report.
"""

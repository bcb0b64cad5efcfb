"""Estimates before a call, measures after it: what a generation holds and computes.

In: a pipeline, what is applied, a call's arguments. Out: footprints, bytes and operations.

- `dry_run`, `restored_attributes`, `quiet_logs`: the pipeline's call in which nothing computes
- `estimate`, `many`: the footprint of one schedule, and of many
- `feature_bytes`, `stored_bytes`, `work_flops`, `residency`: its parts
- `measure`: what a real generation held

Imports the generation and all below it; no handle, no `apply`.
"""

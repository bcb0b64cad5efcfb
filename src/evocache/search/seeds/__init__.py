"""Schedules that a search starts from. Pure.

In: a tree, drift and costs. Out: schedules.

- `seed_schedules`: published policies at several strengths, masks, fills, fewer steps
- `drift_fills`: reuse first what drifts least for the seconds that it saves
- `step_masks`: the best steps to compute, by dynamic programming

Imports policies, the genome and drift; no evaluation, no torch.
"""

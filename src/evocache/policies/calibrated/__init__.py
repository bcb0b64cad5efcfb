"""Policies that read a run's calibration: how much features move between steps.

In: a component tree, a number of steps and the matrices of a calibration. Out: a schedule.

Each file is one published method and names its paper. The calibration is read from a run's folder or a file, by
`policies.base.calibration_matrices`.

Imports `policies.base`, `policies.static` and the schedule; no gate, no torch.
"""

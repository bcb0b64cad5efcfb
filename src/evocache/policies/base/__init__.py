"""What policies are made of.

In: a component tree and a number of steps. Out: the contract of a policy, which yields a schedule, and of a gate, which
decides while the pipeline runs.

- `policy`: a named recipe and its parameters
- `gate`, `rule`: what a gate governs, and how it decides, from numbers alone
- `calibration_matrices`: what calibrated policies read of a run's calibration
- `step_paths`: the best steps to compute, as shortest paths

Imports the schedule; none of the policies, no torch.
"""

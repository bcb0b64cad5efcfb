"""What policies are made of.

In: a component tree and a number of steps. Out: the contract of a policy, which yields a schedule, and of a gate, which
decides while the pipeline runs.

- `caching_method`, `parameter_checks`: what policies and gates share: name, parameters, spec
- `policy`: a method that yields a schedule
- `gate`, `rule`: a method that decides while running: what it governs, and how it decides, from numbers alone
- `calibration_matrices`: what calibrated policies read of a run's calibration
- `step_paths`: the best steps to compute, as shortest paths

Imports the schedule; none of the policies, no torch.
"""

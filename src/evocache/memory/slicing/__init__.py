"""Slices: a module's call in parts along an axis, equal to the whole within rounding.

In: a module's call and how it is cut. Out: what the whole call gives, while less is held.

- `slicing`, `lockstep`: the call in slices, which advance side by side
- `couplings`, `coupling_requests`, `coupling_points`: operations that need other slices
- `attention`, `convolutions`, `convolution_modules`, `group_output`: these operations, one a file
- `exact_slicings`, `trial_inputs`, `tiled_methods`: which ways of cutting are exact, found by trial

Imports `model.outputs` and the rehearsal; no video, no planner.
"""

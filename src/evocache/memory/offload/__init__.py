"""Components that are on the device only in the stages that call them.

In: a pipeline and the stages of its components. Out: weights that come when they are called and leave afterwards, and
a pipeline that is given back as it was.

- `stage_offload`: which components come and go, when
- `shared_offload`: one offloading for all calls that are open at once, or a refusal
- `packed_weights`: a component's weights in a few pieces of pinned memory

Imports `errors` and `model.pipeline_components`; no planner, no store.
"""

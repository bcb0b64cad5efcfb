"""What happens at a component: kept, recalled, forecast, passed by, or made from another call.

In: a branch's row and the call of a module. Out: the module's output, computed or not.

- `branch`, `branch_choice`: the state of one branch, and which branch serves a call
- `table`, `leaf`, `span`, `unet_deep`, `streams`: operations by kind of component
- `guidance`, `guidance_pairs`, `conditioning`, `latents`: calls of one step that belong together
- `recompute`, `sliced_call`, `governed_part`: computed after all; in slices; what a gate governs

Imports `runtime.program` and `runtime.attach`; no generation, no gate's state.
"""

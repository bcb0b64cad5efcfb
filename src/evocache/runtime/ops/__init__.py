"""What happens at a component: kept, recalled, forecast, passed by, or made from another call.

In: a branch's row and the call of a module. Out: the module's output, computed or not.

- `branch`: one branch of a denoiser; `branch_layout`, `branch_state`: what never changes of it, and what does
- `table`, `leaf`, `span`, `unet_deep`, `streams`: operations by kind of component
- `latents`: which arguments of a call are its latents, and the shapes that it is given
- `recompute`, `sliced_call`, `governed_part`: computed after all; in slices; what a gate governs

Imports `runtime.program` and `runtime.attach`; no generation, no gate's state.
"""

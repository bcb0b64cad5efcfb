"""Gates at work: signals that are measured in a step, decisions, and the branch that follows them.

In: tensors of a step beside those of another. Out: whether the step is computed; in the end a recorded schedule.

- `gate_state`: one decision a step for each denoiser
- `signals`: what gates look at, as one number, without synchronisation
- `gate_branch`: a branch whose rows are made as decisions are taken

Imports `runtime.ops` and `runtime.program`; no generation.
"""

"""Validation: what a front is worth by the clock and on prompts that the search has not seen.

In: a front, a pipeline, held-out prompts. Out: a proof: measured points and baselines, what is adopted, what is beaten.

- `held_out_split`: which prompts are kept from the search
- `contender`: what is measured, by proofs and by the demo
- `contenders`, `time_budget`: which of them a proof measures, and how much
- `contender_trial`, `memory_peaks`, `picture_rows`: the measurement
- `validate`, `proof_file`: the proof and its file
- `adoption`, `dominated`: what joins the front, what leaves it

Imports the search; no report, no command line.
"""

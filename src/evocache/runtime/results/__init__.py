"""What is told of a generation: its figures, the schedule it followed, and why nothing was saved.

In: the branches of a generation and its store. Out: figures for the user, kept when the generation is over.

- `generation_record`: what a generation did so far, or did
- `figures`: those of its branches and of its store, which keep nothing alive
- `stats`: its figures, added up
- `schedule_effect`: why a schedule had no effect, or was not followed to its end

Imports `runtime.calls`, `runtime.gates` and what these stand on; no generation.
"""

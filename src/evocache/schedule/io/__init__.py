"""Files of schedules, read as from strangers: bounded before they are parsed, checked as they are read.

In: text or paths. Out: schedules and components, or an error that names what was given, expected and what to do.

- `json`: evocache's own versioned format
- `strict_json`: the reader that all files of evocache go through
- `ecad`, `ecad_models`: schedule files of the ECAD repository

Imports the schedule and `errors`; no front, no model, no torch.
"""

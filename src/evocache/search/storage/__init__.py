"""What a run keeps on disk: append-only, checked as it is read.

In: what a run did. Out: the same, replayed.

- `journal`, `journal_records`: lines with checksums; what each kind of line says
- `run_records`: the journal read, by kind of record
- `run_identity`: what a run was evaluated on
- `run_folder`, `run_lock`: the folder, and one process at a time in it
- `packed_cells`: a schedule's cells as one short text

Imports the schedule, `strict_json` and the evolution's types; no pipeline, no torch.
"""

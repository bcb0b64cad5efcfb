"""What a killed process leaves behind in tiers and records: `python -m benchmarks.usage.faults`.

In: a disk tier, a shared tier, records in SQLite and Postgres, and processes that are killed while they write. Out:
what was lost of what they had said was kept, and what they left lying about.

- `place`: a tier and the records beside it, as writer and inspection open them
- `writer`: the process that is killed
- `inspection`: the process that looks afterwards
- `kills`: starts the one, kills it, starts the other
"""

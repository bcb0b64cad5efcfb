"""What a report shows of a run, gathered from its folder.

In: a run's folder. Out: plain values.

- `run_contents`: points, baselines and pictures
- `history`: generations and failures, from the journal
- `importance`: which cells good schedules compute
- `heat_map_cells`: a schedule's cells for a heat map, and in words

Imports the search's and the proof's files; no HTML, no plotting, no torch.
"""

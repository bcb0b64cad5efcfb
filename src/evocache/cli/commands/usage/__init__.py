"""The commands of the learning cache: `evocache usage replay` and so on.

In: traces and stores of records. Out: tables, pages, pictures, lines of JSON.

- `group`: the commands by name
- `replay`: a trace against policies
- `demo`: a static LRU and a learning cache beside each other; `demo_race` runs them, `demo_display` and `braille` draw
- `report`: what repeats, who asks, when, what changed, what caches could do; `report_display` and `sparkline` draw
- `owners`: what is kept of one user, exported and deleted
- `sources`, `outputs`, `amounts`: where requests are read, what is written, rooms of caches

Imports `usage` and `report` within functions; nothing imports it but `cli.app`.
"""

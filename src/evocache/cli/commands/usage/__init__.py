"""The commands of the learning cache: `evocache usage replay` and so on.

In: traces and stores of records. Out: tables, pages, pictures, lines of JSON.

- `group`: the commands by name
- `replay`: a trace against policies
- `demo`: a static LRU and a learning cache beside each other; `demo_race` runs them, `demo_display` and `braille` draw
- `report`: what repeats, who asks, what changed, what caches could do
- `owners`: what is kept of one user, exported and deleted
- `sources`: where requests are read

Imports `usage` and `report` within functions; nothing imports it but `cli.app`.
"""

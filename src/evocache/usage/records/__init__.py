"""Records of requests: who asked for what and when, and how it was answered; digests and figures, no texts.

In: an `Event` a request. Out: events in order of time, sums by hour or owner, all of an owner as lines of JSON.

- `event`: the record of one request, in a versioned form
- `privacy`: what may be kept of it
- `store`: the contract of a store; `memory`, `sql`: stores; `open_store` opens one by its path or URL
- `retention`: when events leave
- `summary`: sums by what requests have in common
- `recorder`: writes beside a cache, and is never in its way

Imports `errors`, `extras` and `tiers.forks`; SQLAlchemy, Alembic and pg8000 only when a database is opened.
"""

"""Events in SQLite and Postgres, by SQLAlchemy; the tables are made and changed by Alembic.

In: events. Out: the same, in order, and sums of them.

- `sql_store`: the store
- `engine`: connections; files that survive crashes and keep no traces
- `schema`: tables as queries see them; `migrate`, `migrations`: what makes them
- `rows`, `varint`, `words`: an event as a row of about 120 bytes
- `queries`: conditions and sums

Imports `event` and `store` of its own room, and SQLAlchemy and Alembic where they are installed.
"""

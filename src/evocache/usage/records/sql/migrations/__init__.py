"""Migrations of the tables of events, for Alembic.

In: a database of an earlier version, or an empty one. Out: one of this version.

- `versions`: one migration a file

Imports Alembic alone.
"""

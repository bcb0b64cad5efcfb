"""Migrations of the tables of events, for Alembic: `versions` has one a file, in order."""

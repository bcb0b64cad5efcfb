"""Migrations of the server's tables, in order; one that was released is never changed.

In: tables of the version before. Out: those of the next one.

Imports Alembic and SQLAlchemy alone.
"""

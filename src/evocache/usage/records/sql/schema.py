"""Tables of events, as queries see them; migrations make them."""

from __future__ import annotations

from typing import Any

from ....extras import optional


def tables() -> Any:
    """Return the tables `events` and `words` in a new `sqlalchemy.MetaData`.

    Names are kept once, in `words`; times are whole microseconds; lists of numbers are packed. So an event takes about
    125 bytes in SQLite, indexes included.

    Raises:
        DependencyError: if SQLAlchemy is not installed.
    """
    sa = optional("sqlalchemy")
    metadata = sa.MetaData()
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    sa.Table(
        "words",
        metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("word", sa.Text(), nullable=False, unique=True),
    )
    sa.Table(
        "events",
        metadata,
        sa.Column("id", number, primary_key=True),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("time", number, nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("group", sa.LargeBinary(), nullable=False),
        sa.Column("context", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.LargeBinary()),
        sa.Column("took", number, nullable=False),
        sa.Column("size", number, nullable=False),
        sa.Column("saved", number, nullable=False),
        sa.Column("seeded", sa.SmallInteger(), nullable=False),
        sa.Column("features", sa.LargeBinary()),
        sa.Column("quality", sa.Double()),
        sa.Column("text", sa.Text()),
        sa.Index("events_time", "time"),
        sa.Index("events_owner", "owner"),
    )
    return metadata

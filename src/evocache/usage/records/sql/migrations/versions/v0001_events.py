"""Make the tables of events of version 1."""

from __future__ import annotations

from evocache.extras import optional

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make `words`, `events` and their indexes."""
    op, sa = optional("alembic.op"), optional("sqlalchemy")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "words",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("word", sa.Text(), nullable=False, unique=True),
    )
    op.create_table(
        "events",
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
    )
    op.create_index("events_time", "events", ["time"])
    op.create_index("events_owner", "events", ["owner"])


def downgrade() -> None:
    """Take the tables away, with all events."""
    op = optional("alembic.op")
    op.drop_table("events")
    op.drop_table("words")

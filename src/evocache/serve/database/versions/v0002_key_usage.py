"""Make the table of version 2: `key_usage`, sums by key, day and model."""

from __future__ import annotations

from typing import Any

from evocache.extras import optional

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op, sa = optional("alembic.op"), optional("sqlalchemy")
    counts = [_count(sa, name) for name in ("requests", "made", "exact", "joined", "refused", "failed")]
    op.create_table(
        "key_usage",
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("model", sa.Text(), primary_key=True),
        *counts,
        sa.Column("computed", sa.Double(), nullable=False),
        sa.Column("saved", sa.Double(), nullable=False),
    )
    op.create_index("key_usage_key", "key_usage", ["tenant", "key", "day"])


def _count(sa: Any, name: str) -> Any:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def downgrade() -> None:
    """Take the table away, with all sums."""
    optional("alembic.op").drop_table("key_usage")

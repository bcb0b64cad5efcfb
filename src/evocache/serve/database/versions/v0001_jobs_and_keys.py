"""Make the tables of version 1: `jobs`, `calls`, `servers`, `api_keys`."""

from __future__ import annotations

from typing import Any

from evocache.extras import optional

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their indexes."""
    op, sa = optional("alembic.op"), optional("sqlalchemy")
    _make_jobs(op, sa)
    op.create_table(
        "calls",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double()),
        sa.Column("server", sa.Text(), nullable=False),
    )
    op.create_index("calls_state", "calls", ["state"])
    op.create_index("calls_created", "calls", ["created"])
    op.create_table(
        "servers",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("until", sa.Double(), nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.Column("revoked", sa.Double()),
        sa.Column("quotas", sa.Text(), nullable=False),
    )
    op.create_index("api_keys_tenant", "api_keys", ["tenant"])


def _make_jobs(op: Any, sa: Any) -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("started", sa.Double()),
        sa.Column("ended", sa.Double()),
        sa.Column("expires", sa.Double()),
        sa.Column("server", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("remixed_from", sa.Text()),
    )
    op.create_index("jobs_owner", "jobs", ["tenant", "owner", "kind", "created", "id"])
    op.create_index("jobs_state", "jobs", ["state", "created", "id"])
    op.create_index("jobs_ended", "jobs", ["ended", "id"])
    op.create_index("jobs_expires", "jobs", ["expires"])
    op.create_index("jobs_room", "jobs", ["tenant", "state", "ended", "bytes"])


def downgrade() -> None:
    """Take the tables away, with all jobs and keys."""
    op = optional("alembic.op")
    for name in ("api_keys", "servers", "calls", "jobs"):
        op.drop_table(name)

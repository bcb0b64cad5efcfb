"""Tables of the server, as queries see them; migrations make them."""

from __future__ import annotations

from typing import Any

from ...extras import optional


def tables() -> Any:
    """Return the tables `jobs`, `job_pictures`, `calls`, `servers`, `api_keys`, `key_usage` in a `sqlalchemy.MetaData`.

    Times are seconds since 1970; columns that hold JSON say so.

    Raises:
        DependencyError: if SQLAlchemy is not installed.
    """
    sa = optional("sqlalchemy")
    metadata = sa.MetaData()
    _jobs(sa, metadata)
    _calls(sa, metadata)
    _api_keys(sa, metadata)
    _key_usage(sa, metadata)
    return metadata


def _jobs(sa: Any, metadata: Any) -> None:
    sa.Table(
        "jobs",
        metadata,
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),  # JSON
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),  # JSON
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("started", sa.Double()),
        sa.Column("ended", sa.Double()),
        sa.Column("expires", sa.Double()),
        sa.Column("server", sa.Text()),
        sa.Column("error", sa.Text()),  # JSON
        sa.Column("result", sa.Text()),  # JSON
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("remixed_from", sa.Text()),
        sa.Index("jobs_owner", "tenant", "owner", "kind", "created", "id"),
        sa.Index("jobs_state", "state", "created", "id"),
        sa.Index("jobs_ended", "ended", "id"),
        sa.Index("jobs_expires", "expires"),
        sa.Index("jobs_room", "tenant", "state", "ended", "bytes"),
    )
    sa.Table(
        "job_pictures",  # may be large, and rows of jobs are read and written often
        metadata,
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("pictures", sa.Text(), nullable=False),  # JSON
    )


def _calls(sa: Any, metadata: Any) -> None:
    sa.Table(
        "calls",
        metadata,
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double()),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Index("calls_state", "state"),
        sa.Index("calls_created", "created"),
    )
    sa.Table(
        "servers",
        metadata,
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("until", sa.Double(), nullable=False),
    )


def _api_keys(sa: Any, metadata: Any) -> None:
    sa.Table(
        "api_keys",
        metadata,
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scopes", sa.Text(), nullable=False),  # JSON
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.Column("revoked", sa.Double()),
        sa.Column("quotas", sa.Text(), nullable=False),  # JSON
        sa.Index("api_keys_tenant", "tenant"),
    )


def _key_usage(sa: Any, metadata: Any) -> None:
    counts = ("requests", "made", "exact", "joined", "refused", "failed")
    sa.Table(
        "key_usage",
        metadata,
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("model", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.Column("computed", sa.Double(), nullable=False),
        sa.Column("saved", sa.Double(), nullable=False),
        sa.Index("key_usage_key", "tenant", "key", "day"),
    )

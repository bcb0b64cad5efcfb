"""Pages of an owner's jobs, in order of their creation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...errors import JobError, short
from .record import JobRecord, is_id
from .rows import from_row

Order = Literal["asc", "desc"]

MOST = 100
"""Jobs of a page at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of an owner's jobs.

    Attributes:
        records: in the order that was asked for.
        has_more: whether there are others after the last one.
    """

    records: tuple[JobRecord, ...]
    has_more: bool


def page_of(connection: Any, sa: Any, jobs: Any, meant: Any, *, after: str | None, limit: int, order: Order) -> Page:
    """Return a page of jobs.

    Args:
        connection: to read by.
        sa: SQLAlchemy.
        jobs: the table.
        meant: condition of SQLAlchemy: whose jobs are meant.
        after: id of the last job of the page before.
        limit: how many jobs, 1 to `MOST`.
        order: `asc` has the oldest first.

    Raises:
        JobError: if the limit is none, or `after` is none of the jobs that are meant.
    """
    if not 1 <= limit <= MOST or order not in ("asc", "desc"):
        raise JobError(f"a page of {limit} jobs, {short(order)}", f"1 to {MOST}, asc or desc", "ask for fewer")
    place = sa.tuple_(jobs.c.created, jobs.c.id)
    asked = sa.select(jobs).where(meant)
    if after is not None:
        known = sa.select(jobs.c.created).where(meant, jobs.c.id == after)
        found = connection.execute(known).scalar() if is_id(after) else None
        if found is None:
            raise JobError(f"after={short(after)}", "the id of a job that is there", "list from the beginning")
        bound = sa.tuple_(sa.literal(found), sa.literal(after))
        asked = asked.where(place > bound if order == "asc" else place < bound)
    ways = [column.asc() if order == "asc" else column.desc() for column in (jobs.c.created, jobs.c.id)]
    rows = connection.execute(asked.order_by(*ways).limit(limit + 1)).mappings().all()
    return Page(tuple(from_row(row) for row in rows[:limit]), len(rows) > limit)

"""Queries of events: conditions, sums, and the room that they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..store import Where
from ..summary import By, micro

SAMPLE = 1000
"""Rows that the mean size of Postgres' rows is taken of."""

_INDEXES = 3 * 12 + 4
"""Bytes of Postgres beside a row: a line pointer, and in three indexes a tuple's header and a line pointer each."""


def conditions(sa: Any, events: Any, where: Where, words: Mapping[str, int]) -> Any:
    """Return the condition of SQLAlchemy that selects events.

    Args:
        sa: SQLAlchemy.
        events: the table.
        where: which are meant.
        words: number of the tenant's name, if the database knows it.
    """
    columns, found = events.c, [sa.true()]
    if where.since is not None:
        found.append(columns.time >= micro(where.since))
    if where.until is not None:
        found.append(columns.time < micro(where.until))
    if where.tenant is not None:
        found.append(columns.tenant == words.get(where.tenant, -1))
    if where.owner is not None:
        found.append(columns.owner == where.owner)
    if where.key is not None:
        found.append(columns.key == where.key)
    return sa.and_(*found)


def group_rows(sa: Any, connection: Any, events: Any, by: By, where: Any, most: int | None) -> list[Any]:
    """Return rows of a value, a kind's number and sums: requests, bytes, microseconds taken and saved."""
    columns = events.c
    value: Any = {"all": sa.literal(0), "hour": columns.time // sa.literal_column("3600000000")}.get(by)
    value = columns[by] if value is None else value
    count = sa.func.count()
    if most is not None and by != "all":
        order = [value.desc()] if by == "hour" else [count.desc(), value]
        top = sa.select(value).where(where).group_by(value).order_by(*order).limit(most)
        where = sa.and_(where, value.in_([found for (found,) in connection.execute(top)]))
    sums = (sa.func.sum(column) for column in (columns.size, columns.took, columns.saved))
    asked = sa.select(value.label("value"), columns.kind, count, *sums).where(where).group_by("value", columns.kind)
    return list(connection.execute(asked))


def footprint(connection: Any) -> int:
    """Return the bytes that events take, indexes included, without room that deleted ones left."""
    if connection.dialect.name == "sqlite":
        size, pages, free = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (pages - free))
    row = (
        "SELECT (SELECT count(*) FROM events), avg(pg_column_size(e.*) + length(e.owner)) "
        f"FROM (SELECT * FROM events ORDER BY id DESC LIMIT {SAMPLE}) AS e"
    )
    count, mean = connection.exec_driver_sql(row).one()
    return int(count * (float(mean or 0) + 2 * 8 + _INDEXES))

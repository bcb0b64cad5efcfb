"""Tables of a report of usage, as plain text; digests stand for names."""

from __future__ import annotations

from ...units import format_bytes
from ...usage.patterns.report.contents import Room, UsageReport, name_digest
from ...usage.patterns.report.meaning import format_span
from ..page.cells import Cell, Row, Table
from .usage_charts import STYLES

SHOWN = 10
"""Rows of a table, at most."""


def list_keys(found: UsageReport) -> Table | None:
    """Return the questions that are asked most of late; None where no question is known."""
    rows = [_row(name_digest(one.key), f"{one.requests:,.0f}") for one in found.keys[:SHOWN]]
    return _table(("question", "requests, recent ones most"), rows)


def list_groups(found: UsageReport) -> Table | None:
    """Return what requests are about most; None where no groups are named."""
    rows = [_row(name_digest(one.group), f"{one.requests:,.0f}", f"{one.forecast:,.0f}") for one in found.groups]
    return _table(("group", "requests, recent ones most", f"of the next {found.window}"), rows[:SHOWN])


def list_owners(found: UsageReport) -> Table | None:
    """Return who asks most; None where no owners are named."""
    whole = max(1, found.keyed)
    rows = [
        _row(
            name_digest(one.owner), f"{one.requests:,}", f"{one.requests / whole:.1%}", f"{one.own / one.requests:.0%}"
        )
        for one in found.owners[:SHOWN]
    ]
    return _table(("owner", "requests", "of all", "own repeats"), rows)


def list_gaps(found: UsageReport) -> Table | None:
    """Return how long it takes until the next request, and until a question is asked again; None without times."""
    rows = []
    for share, pause in found.pauses.items():
        gap = found.gaps.get(share)
        rows.append(_row(f"{share:.0%}", format_span(pause), format_span(gap) if gap is not None else ""))
    return _table(("share within", "the next request", "the same question"), rows)


def list_kinds(found: UsageReport) -> Table | None:
    """Return how requests were answered; None of a trace."""
    rows = [_row(kind, f"{count:,}", f"{count / found.requests:.1%}") for kind, count in found.kinds.items()]
    return _table(("answered", "requests", "of all"), rows)


def compare_rooms(found: UsageReport) -> Table | None:
    """Return what each policy would have had in each room, with what knowing the future gains; None without."""
    groups = tuple(tuple(_rows_of(room)) for room in found.rooms)
    headings = ("policy", "room", "hit rate", "saved", "of all")
    return Table(headings, groups) if groups else None


def _rows_of(room: Room) -> list[Row]:
    best = max(room.hit_rates.values())
    rows = [(name, rate, room.saved[name], rate == best) for name, rate in room.hit_rates.items()]
    rows.append(("belady", room.best_offline, room.best_offline_saved, False))
    found = []
    for name, rate, saved, is_best in rows:
        part = f"{saved / room.seconds:.1%}" if room.seconds else ""
        cells = (name, format_bytes(room.max_bytes), f"{rate:.2%}", format_span(saved), part)
        found.append(Row(tuple(Cell(text, is_best) for text in cells), colour=STYLES.get(name, "other")))
    if room.bound > room.best_offline:
        cells = ("bound", format_bytes(room.max_bytes), f"{room.bound:.2%}", "", "")
        found.append(Row(tuple(map(Cell, cells))))
    return found


def _row(*texts: str) -> Row:
    return Row(tuple(map(Cell, texts)))


def _table(headings: tuple[str, ...], rows: list[Row]) -> Table | None:
    return Table(headings, (tuple(rows),)).drop_empty_columns() if rows else None

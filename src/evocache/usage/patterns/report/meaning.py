"""What the figures of a report mean and what to do, a sentence or two a section; and what was sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

from ....units import format_bytes
from .contents import Room, UsageReport

ENOUGH = 0.9
"""Part of the hits that an LRU can have at most which its room should be large enough for."""

LEAD = 0.03
"""By which part one policy has more hits than another where that is worth a word."""

DAY = 86_400.0

Meaning = Mapping[str, str]
"""Sentences by section."""


def format_span(seconds: float) -> str:
    """Return a length of time in the unit that a person would name: 5400 -> '90 min'."""
    for most, unit, scale in ((0.1, "ms", 1e-3), (120, "s", 1.0), (7200, "min", 60.0), (2 * DAY, "h", 3600.0)):
        if seconds < most:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / DAY:,.0f} days" if seconds >= 10 * DAY else f"{seconds / DAY:.2g} days"


def explain(found: UsageReport) -> Meaning:
    """Return by section what its figures mean and what to do.

    Sections are `did`, `repeats`, `owners`, `hours`, `again`, `working set`, `drift`, `curve` and `rooms`; one of which
    nothing is known is left out.
    """
    sections: dict[str, Callable[[UsageReport], str]] = {
        "did": _did,
        "repeats": _repeats,
        "owners": _owners,
        "hours": _hours,
        "again": _again,
        "working set": _working_set,
        "drift": _drift,
        "curve": _curve,
        "rooms": _rooms,
    }
    told = {name: tell(found) for name, tell in sections.items()}
    return {name: sentence for name, sentence in told.items() if sentence}


def tell_samples(found: UsageReport) -> tuple[str, ...]:
    """Return what was not read or measured in full, a sentence each; nothing where everything was."""
    told = []
    if found.skipped:
        whole = found.skipped + found.requests
        told.append(f"The last {found.requests:,} of {whole:,} requests were read.")
    if found.rooms and found.rooms[0].requests < found.requests:
        told.append(f"Policies were replayed on the last {found.rooms[0].requests:,} requests.")
    if found.curve_keys < 1:
        told.append(f"The curve of all requests was measured on {found.curve_keys:.1%} of the keys.")
    if found.distinct > found.remembered:
        told.append(
            f"The latest {found.remembered:,} keys are remembered: shares of repeats are at least what is told."
        )
    return tuple(told)


def compared_room(found: UsageReport) -> Room | None:
    """Return the room that policies are compared at in a sentence: the middle one; None if none was replayed."""
    return found.rooms[(len(found.rooms) - 1) // 2] if found.rooms else None


def busiest(found: UsageReport) -> tuple[int, int, float] | None:
    """Return the busiest hour of the day in UTC, the quietest, and how many times an average hour the busiest has.

    None of less than a day: that says nothing of days.
    """
    if found.first is None or found.last is None or not found.dated or found.last - found.first < DAY:
        return None
    day = found.by_hour_of_day()
    return day.index(max(day)), day.index(min(day)), 24 * max(day) / sum(day)


def enough_room(found: UsageReport) -> int | None:
    """Return the least room on the curve at which an LRU has nearly all the hits that it can have; None without."""
    if not found.curve or not found.curve[-1].hit_rate:
        return None
    most = found.curve[-1].hit_rate
    return next(point.max_bytes for point in found.curve if point.hit_rate >= ENOUGH * most)


def _did(found: UsageReport) -> str:
    if not found.kinds:
        return "These requests are a trace: no cache has answered them yet."
    spent = found.took + found.saved
    part = f", {found.saved / spent:.0%} of what everything would have taken" if spent else ""
    return (
        f"{found.hit_rate:.1%} of the requests were answered from a stored result; with joined ones that saved "
        f"{format_span(found.saved)} of computing{part}. Hold it against what caches could do, below."
    )


def _repeats(found: UsageReport) -> str:
    if not found.keyed:
        return "No questions are known: record with privacy='digest' to learn what repeats."
    said = f"{found.anybody:.0%} of the questions had been asked before: no cache has a higher hit rate."
    if found.anybody < 0.05:
        return f"{said} If questions differ in what does not change the answer, leave that out of the key (ignore=)."
    if found.own > 0.6 * found.anybody:
        return f"{said} Most were asked again by the same owner: name owners (owner=), so that habits are learned."
    if found.askers > 1.5:
        return f"{said} Most had been asked by somebody else: one cache for all gains more than one for each owner."
    return said


def _owners(found: UsageReport) -> str:
    if not found.owners:
        return "No owners are named. With owner= a cache learns the habits of each of them."
    most = found.owners[0].requests / max(1, found.keyed)
    said = f"The heaviest of about {found.askers:,.0f} owners sends {most:.1%} of the requests."
    if found.askers > 1.5 and most > 0.4:
        return f"{said} Its answers push out those of the others: give it a tenant of its own (tenant=)."
    return f"{said} No single owner fills the cache: nothing has to be done."


def _hours(found: UsageReport) -> str:
    if found.first is None or found.last is None:
        return ""
    hours = busiest(found)
    if hours is None:
        span = format_span(found.last - found.first)
        return f"The requests span {span}, less than a day: what hours of the day are like is not known yet."
    most, least, times = hours
    return (
        f"The busiest hour begins at {most}:00 UTC and has {times:.1f} times the requests of an average one: plan "
        f"machines for it, and leave upkeep to {least}:00 UTC, the quietest."
    )


def _again(found: UsageReport) -> str:
    if not found.gaps:
        return ""
    half, most = format_span(found.gaps[0.5]), format_span(found.gaps[0.9])
    return (
        f"Half of the repeats come within {half}, 90 % within {most}: answers that expire earlier (ttl=) are computed "
        "again for nothing but freshness."
    )


def _working_set(found: UsageReport) -> str:
    if len(found.parts) < 2:
        return ""
    parts = [part for part in found.parts if part.requests == found.part_width] or list(found.parts)
    quarter = max(1, len(parts) // 4)
    before, now = (median(part.distinct for part in some) for some in (parts[:quarter], parts[-quarter:]))
    half = found.parts[len(found.parts) // 2].known
    grows = found.parts[-1].known > 1.25 * half
    said = f"{found.part_width:,} requests ask for about {now:,.0f} different questions (at first {before:,.0f})."
    if grows:
        return f"{said} New questions keep coming: no room holds them all, so it matters which answers stay."
    return f"{said} Few questions are new by now: room for about {found.distinct:,.0f} answers holds nearly all."


def _drift(found: UsageReport) -> str:
    name = "ADWIN" if found.detector == "adwin" else "The comparison of halves"
    if not found.drift:
        return f"{name} found no change: what fits this usage now goes on fitting."
    last = found.drift[-1]
    share = last.now / found.requests if found.requests else 0.0
    times = "once" if len(found.drift) == 1 else f"{len(found.drift)} times"
    return (
        f"{name} saw usage change {times}, the last time {share:.0%} of the way through, when {last.of} went from "
        f"{last.before:.0%} to {last.after:.0%}. A policy that learns follows; look again at what was set by hand."
    )


def _curve(found: UsageReport) -> str:
    room = enough_room(found)
    if room is None:
        return ""
    most = found.curve[-1]
    return (
        f"An LRU has {ENOUGH:.0%} of all the hits that it can have with {format_bytes(room)}, and none more beyond "
        f"{format_bytes(most.max_bytes)}: give a cache up to that, and let a better policy make up for less."
    )


def _rooms(found: UsageReport) -> str:
    room = compared_room(found)
    if room is None:
        return ""
    best, rate = next(iter(room.hit_rates.items()))
    plain = room.hit_rates["lru"]
    with_room = f"With {format_bytes(room.max_bytes)}"
    if not plain or rate < (1 + LEAD) * plain:
        return f"{with_room} no policy is much better than LRU ({plain:.1%}): policy='lru' costs least here."
    saved = format_span(room.saved[best] - room.saved["lru"])
    way = (rate - plain) / (room.best_offline - plain) if room.best_offline > plain else 1.0
    advice = f"policy={best!r}" + (", the default," if best == "learned" else "")
    more = f"{rate / plain - 1:.0%} more hits than LRU ({rate:.1%}, not {plain:.1%})"
    return (
        f"{with_room} {advice} would have had {more} and saved {saved} more of computing on these "
        f"{room.requests:,} requests: {way:.0%} of the way to what knowing the future gains."
    )

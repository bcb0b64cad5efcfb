"""The process that looks afterwards: `python -m benchmarks.usage.faults.inspection PLACES FIRST LAST`.

It opens each place, asks for all answers from a number to before another, reads all records, looks for what a killed
process may leave behind, and writes what it found as JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import sqlalchemy as sa

from evocache.usage.keys.canonical import encode
from evocache.usage.keys.digest import Digester
from evocache.usage.records.open_store import open_store
from evocache.usage.records.store import Where

from .place import FILE, FOREVER, PATIENCE, RECORDS, SECRET, Opened, Place, answer, from_json, key

NEW = "asked for by who looks"
"""A question that the inspection asks, and forgets again: whoever held a lock would be in its way."""


@dataclass
class Seen:
    """Says what was found in a place.

    Attributes:
        answers: numbers of questions whose answers are there.
        records: numbers of questions whose requests are recorded.
        wrong: what is not as it was written, in words.
        litter: files, locks and rows that belong to nobody, in words.
        bytes: that the tier counts.
        file_bytes: of the disk tier's file, after closing.
    """

    answers: list[int] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    bytes: int = 0
    file_bytes: int = 0


def inspect(place: Place, numbers: range) -> Seen:
    """Return what is found of some questions in a place."""
    seen = Seen()
    with Opened(place, recorded=False) as opened:
        for number in numbers:
            try:
                found = opened.cache.get_or_compute(key(number), _missing)
            except LookupError:
                continue
            seen.answers.append(number)
            if found != answer(number):
                seen.wrong.append(f"answer {number}")
        opened.cache[NEW] = 1
        opened.cache.flush()
        opened.cache.invalidate(NEW)
        seen.bytes = opened.tier.bytes
        if opened.tier.figures.damaged:
            seen.wrong.append(f"{opened.tier.figures.damaged} answers did not pass their checksums")
        opened.check()
    if seen.bytes > place.max_bytes:
        seen.wrong.append(f"{seen.bytes} bytes of {place.max_bytes}")
    seen.records = records(place, numbers, seen.wrong)
    if place.tier == "disk":
        path = Path(place.folder) / FILE
        seen.file_bytes = path.stat().st_size
        seen.litter += sqlite_litter(path, seen.bytes)
    else:
        seen.litter += valkey_litter(place, seen.bytes)
    seen.litter += postgres_litter(place) if place.records else sqlite_litter(Path(place.folder) / RECORDS)
    known = {FILE, RECORDS, f"{RECORDS}.lock"}
    seen.litter += [f"file {path.name}" for path in Path(place.folder).iterdir() if path.name not in known]
    return seen


def _missing() -> None:
    raise LookupError


def records(place: Place, numbers: range, wrong: list[str]) -> list[int]:
    """Return the numbers of questions whose requests are recorded once; say of others what is wrong."""
    digester = Digester(SECRET, place.name)
    by_key = {digester.key(encode(key(number))): number for number in numbers}
    found: Counter[int] = Counter()
    with open_store(place.where, retention=FOREVER) as store:
        for event in store.read(Where(tenant=place.name)):
            number = by_key.get(event.key)
            if number is None:
                continue
            found[number] += 1
            owner = digester.owner(f"owner {number % 7}")
            if event.kind != "miss" or event.owner != owner or "compute" not in event.seconds or not event.size:
                wrong.append(f"record {number}")
    wrong += [f"{count} records of {number}" for number, count in found.items() if count > 1]
    return sorted(found)


def sqlite_litter(path: Path, counted: int | None = None) -> Iterator[str]:
    """Yield what is damaged in a file of SQLite, and rows that are counted wrongly."""
    connection = sqlite3.connect(path, PATIENCE)
    (state,) = connection.execute("PRAGMA integrity_check").fetchone()
    if state != "ok":
        yield f"{path.name}: {state}"
    if counted is not None:
        rows = connection.execute("SELECT count(*), coalesce(sum(room), 0) FROM entries").fetchone()
        told = connection.execute("SELECT sum(count), sum(bytes) FROM tenants").fetchone()
        if rows != told or rows[1] != counted:
            yield f"{path.name} has {rows} and counts {told}, {counted}"
    connection.close()


def valkey_litter(place: Place, counted: int) -> Iterator[str]:
    """Yield indices of a server that do not know the same entries."""
    with place.client() as client:
        prefix = f"evocache:{{{Digester(SECRET, place.name).tenant.hex()}}}:"
        about = {name.decode(): value.split() for name, value in client.hgetall(f"{prefix}about").items()}
        entries = {name.decode().removeprefix(f"{prefix}e:") for name in client.scan_iter(f"{prefix}e:*", count=1000)}
        owned = {one.decode() for name in client.scan_iter(f"{prefix}o:*", count=1000) for one in client.smembers(name)}
        indices = {
            name: {one.decode() for one in client.zrange(f"{prefix}{name}", 0, -1)} for name in ("score", "over")
        }
    for name, known in {"entries": entries, "owners": owned, **indices}.items():
        if known != about.keys():
            yield f"{len(known)} {name} and {len(about)} entries in the index"
    rooms = sum(int(value[0]) for value in about.values())
    if rooms != counted:
        yield f"entries of {rooms} bytes, {counted} are counted"


def postgres_litter(place: Place) -> Iterator[str]:
    """Yield sessions and locks of others that are still there after some seconds."""
    engine = sa.create_engine(place.records)
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    until = time.monotonic() + PATIENCE
    with engine.connect() as connection:
        while left := sum(int(connection.exec_driver_sql(query).scalar() or 0) for query in (others, locks)):
            if time.monotonic() > until:
                yield f"{left} sessions and locks in Postgres"
                break
            time.sleep(0.1)
    engine.dispose()


if __name__ == "__main__":
    asked = range(int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({place.name: asdict(inspect(place, asked)) for place in from_json(sys.argv[1])}))

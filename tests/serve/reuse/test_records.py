"""Every picture that is asked for is recorded, and of its prompt nothing but where that is agreed to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evocache.cli.app import app
from evocache.serve.control.refusal import Refused
from evocache.serve.requests.failures import UnmadeError
from evocache.serve.reuse.keys import Keys
from evocache.serve.reuse.records import Records
from evocache.serve.workers.task import Task
from evocache.usage.keys.digest import Digester
from evocache.usage.keys.secret import installation_secret
from evocache.usage.records.event import Event
from evocache.usage.records.open_store import open_store
from tests.serve.stub_worker import STILL

from .served import ADA, BEN, Served, serve

SECRET = "zanzibarfox"


async def all_kinds(served: Served) -> None:
    """Ask so that every kind of answer is among them; each prompt has a word that is nowhere else."""
    await served.reuse_of(ADA, ADA, BEN, prompt=SECRET, seed=7)
    await served.reuse_of(ADA, prompt=SECRET, seed=8, cache="off")
    await served.reuse_of(ADA, prompt=SECRET, negative_prompt=f"no {SECRET}")
    await served.until(lambda: not served.service.reuse.figures()["flights"])
    with pytest.raises(UnmadeError):
        await served.ask(prompt=f"fail memory {SECRET}", seed=7)
    served.worker.gate.clear()
    both = [asyncio.create_task(served.ask(prompt=f"two {SECRET}", seed=7)) for _ in range(2)]
    flights = served.service.reuse._flights._flights
    await served.until(lambda: sum(len(one._waiters) for all_of_it in flights.values() for one in all_of_it) == 2)
    served.worker.gate.set()
    await asyncio.gather(*both)
    served.service._dispatcher._desk.door.closed = True
    with pytest.raises(Refused):
        await served.ask(prompt=f"shed {SECRET}", seed=7, count=2)


def events(folder: Path) -> list[Event]:
    with open_store(folder / "usage.db", privacy="text") as store:
        return list(store.read())


def test_each_picture_is_recorded_with_how_it_was_answered(folder: Path):
    serve(all_kinds, folder=folder)
    found = events(folder)
    kinds = ["miss", "hit", "miss", "skipped", "miss", "failed", "joined", "miss", "shed", "shed"]
    assert sorted(event.kind for event in found) == sorted(kinds)
    by_kind = {event.kind: event for event in found}
    first, hit = found[0], by_kind["hit"]
    assert hit.key == first.key
    assert hit.owner == first.owner == Digester(installation_secret(), "acme").owner("ada")
    assert (hit.saved, hit.tier, hit.size > 100) == (0.02, "memory", True)  # the stub says that it took .02 s
    assert first.seconds["compute"] == 0.02
    assert (first.size > 100, first.saved, first.context.split()[::2]) == (True, 0.0, ["stub", "good"])
    assert by_kind["joined"].saved == 0.02
    assert "compute" not in by_kind["joined"].seconds
    assert {event.tenant for event in found} == {"acme"}
    assert [event.seeded for event in found].count(False) == 1
    assert len({event.group for event in found}) == 4
    shed = [event.key for event in found if event.kind == "shed"]
    assert len(set(shed)) == 2
    assert not any(event.text for event in found)


def test_nothing_of_a_prompt_is_in_the_folder(folder: Path):
    serve(all_kinds, folder=folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"usage.db", "answers.sqlite3"} <= {path.name for path in files}
    spelled = [SECRET.encode(), SECRET.encode().hex().encode(), SECRET.encode("utf-16-le")]
    assert [path.name for path in files if any(one in path.read_bytes() for one in spelled)] == []


def test_who_agrees_has_the_prompt_recorded_and_no_other(folder: Path):
    async def main(served: Served) -> None:
        await served.ask(prompt="a fox\0 for all", seed=7, learn=True)
        await served.ask(prompt=SECRET, seed=7)

    serve(main, folder=folder)
    assert {event.text for event in events(folder)} == {"a fox\ufffd for all", None}


def test_the_report_reads_what_the_server_recorded(folder: Path):
    async def main(served: Served) -> None:
        await served.reuse_of(*[ADA] * 6, prompt=SECRET, seed=7)
        for seed in range(4):
            await served.ask(BEN, prompt=SECRET, seed=seed)

    serve(main, folder=folder)
    done = CliRunner().invoke(app, ["usage", "report", str(folder / "usage.db")])
    assert done.exit_code == 0, done.output
    assert "10 requests" in done.output
    assert SECRET not in done.output


def test_a_person_can_be_forgotten(folder: Path):
    async def main(served: Served) -> None:
        await served.reuse_of(ADA, BEN, replace(ADA, user="u"), seed=7)

    serve(main, folder=folder)
    told = ["--user", "ada", "--tenant", "acme", "--disk", str(folder / "cache"), "--yes"]
    done = CliRunner().invoke(app, ["usage", "delete", str(folder / "usage.db"), *told])
    assert done.exit_code == 0, done.output
    assert len(events(folder)) == 2

    async def again(served: Served) -> None:
        assert await served.reuse_of(ADA, BEN, seed=7) == ["none", "exact"]

    serve(again, folder=folder)


def test_changes_of_the_hit_rate_are_noticed():
    keys = Keys(b"s" * 32)
    records = Records(keys)
    question = keys.question(Task("gen_1", "stub", {"prompt": "a fox"}, 7), STILL, ADA, seeded=True)
    for kind in ["miss"] * 1200 + ["skipped"] * 50 + ["hit"] * 1200:
        records.note(question, learn=False).end(kind)
    records.close()
    point, *_ = records.drift.points
    assert point.of == "hit rate"
    assert 1250 < point.now < 1800
    assert point.before < point.after

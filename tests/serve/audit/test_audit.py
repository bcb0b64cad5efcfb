"""The audit: when it measures, what it gives way to, and what it leaves untouched."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from evocache.serve.audit.samples import Sample, Samples
from evocache.serve.control.points import PointWishes
from evocache.serve.control.shares import Owner
from evocache.serve.requests.answer import Account, Answer
from evocache.serve.requests.identity import Identity
from evocache.serve.workers.task import Picture
from evocache.serve.workers.updates import Cancelled, Made
from tests.serve.control.stub import CARD, POINTS, task

from .inexact import STEP_1, Audited, audited


def test_it_measures_once_nothing_is_to_be_done():
    async def main(found: Audited) -> None:
        found.audit.pause = 0.1
        run = found.submit(prompt="a fox")
        assert isinstance(await run, Made)
        await asyncio.sleep(4.8)
        assert found.worker.audited == []
        await found.until(lambda: found.rows)
        (asked,) = found.worker.audited
        assert (asked.point, asked.seed, asked.arguments) == (None, run.task.seed, run.task.arguments)
        assert (asked.user, asked.deadline) == ("", None)
        (row,) = found.rows
        assert (row["model"], row["lora"], row["label"]) == ("emoji", "", "front6")
        assert (row["predicted"], row["samples"]) == (47.0, 1)
        assert row["mean"] == row["worst"] == pytest.approx(STEP_1, abs=1e-4)
        await asyncio.sleep(60)
        assert len(found.worker.audited) == 1

    audited(main)


def test_weights_of_another_model_are_not_brought_for_it():
    async def main(found: Audited) -> None:
        await found.submit(model="first")
        await found.submit(model="second")
        await asyncio.sleep(60)
        assert [one.model for one in found.worker.audited] == ["second"]
        await found.submit(model="first", guidance_scale=7.5)
        await asyncio.sleep(60)
        assert [one.model for one in found.worker.audited] == ["second", "first"]

    audited(main, cards=[replace(CARD, name=name) for name in ("first", "second")])


def test_it_ends_within_a_step_when_something_comes_and_is_tried_again():
    async def main(found: Audited) -> None:
        await found.submit()
        await found.until(lambda: found.worker.audited)
        run = found.submit()
        await asyncio.sleep(0.1)  # a step takes .08 s
        assert found.audit.figures()["ends"] == {"cancelled": 1}
        assert isinstance(await run, Made)
        await found.until(lambda: found.rows and found.rows[0]["samples"] == 2)
        assert found.audit.figures()["ends"] == {"cancelled": 1, "made": 2}

    audited(main)


def test_it_ends_for_what_is_let_in_before_that_is_made():
    async def main(found: Audited) -> None:
        await found.submit()
        await found.until(lambda: found.worker.audited)
        with found.dispatcher.enter(task()):
            await asyncio.sleep(60)
            assert found.audit.figures()["ends"] == {"cancelled": 1}
            assert len(found.worker.audited) == 1
        await found.until(lambda: found.rows)

    audited(main)


def test_it_gives_up_after_some_tries():
    async def main(found: Audited) -> None:
        await found.submit()
        for number in range(1, 4):
            await found.until(lambda number=number: len(found.worker.audited) == number)
            await found.submit(guidance_scale=7.5)  # outside of the front: no sample
        await asyncio.sleep(60)
        assert found.audit.figures() == {"points": [], "ends": {"cancelled": 3}, "samples": 0}

    audited(main)


def test_what_fails_is_not_tried_again():
    async def main(found: Audited) -> None:
        await found.submit()
        found.worker.deadly = lambda asked: True
        await found.until(lambda: found.audit.ends)
        await asyncio.sleep(60)
        assert found.audit.figures() == {"points": [], "ends": {"failed": 1}, "samples": 0}

    audited(main)


def test_a_worker_that_is_taken_away_ends_it():
    async def main(found: Audited) -> None:
        await found.submit()
        await found.until(lambda: found.worker.audited)
        found.dispatcher.remove(found.worker)
        await found.until(lambda: found.audit.ends)
        assert found.audit.ends == {"failed": 1}

    audited(main)


def test_only_what_skips_something_where_the_front_holds_is_measured():
    async def main(found: Audited) -> None:
        await found.dispatcher.submit(task(), PointWishes(quality="max"))
        await found.submit(num_inference_steps=30)
        await found.dispatcher.submit(task(num_inference_steps=30), PointWishes(point="front6", durable=True))
        assert found.audit.figures()["samples"] == 0
        assert [one.point for one in found.worker.given] == [None, None, 0]

    audited(main)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.1, 3, 20), (1.0, 100, 100)])
def test_so_many_are_drawn(share: float, least: int, most: int):
    samples = Samples(most=1000)

    async def main(found: Audited) -> None:
        for number in range(100):
            await found.dispatcher.submit(replace(task(), id=f"gen_{number}"))
        assert least <= len(samples) <= most
        if not share:
            await asyncio.sleep(60)
            assert found.worker.audited == []

    audited(main, share, samples=samples)


def test_who_does_not_know_the_secret_does_not_know_who_is_drawn():
    drawn: list[set[int]] = []
    for secret in (b"one", b"two"):
        chosen: set[int] = set()

        async def main(found: Audited, chosen: set[int] = chosen) -> None:
            for number in range(40):
                before = found.audit.figures()["samples"]
                await found.dispatcher.submit(replace(task(), id=f"gen_{number}"))
                if found.audit.figures()["samples"] > before:
                    chosen.add(number)

        audited(main, 0.5, samples=Samples(most=1000), secret=secret)
        drawn.append(chosen)
    assert drawn[0] != drawn[1]


def test_each_key_is_told_of_its_own_alone():
    async def main(found: Audited) -> None:
        ann, ben, eve = Identity("acme", "ann", "al"), Identity("acme", "ben"), Identity("other", "ann")
        for who in (ann, ann, ben):
            await found.submit(Owner(who.tenant, who.key, who.user))
        await found.until(lambda: found.rows and found.rows[0]["samples"] == 3)
        answers = [Answer(Picture(b"", 0, 0), Account("gen_1", 1, point)) for point in ("front6", "front5")]

        def told(who: Identity, model: str = "emoji") -> list[Any]:
            return [one.account.as_json().get("measured") for one in found.audit.add_measured(answers, who, model)]

        assert told(ann) == [{"quality": 48.13, "samples": 2}, None]
        assert told(ben) == [{"quality": 48.13, "samples": 1}, None]
        assert told(eve) == told(ann, "another") == [None, None]

    audited(main)


def test_it_changes_nothing_of_what_others_see():
    """Figures, prices and levels are those of a server without it."""
    figures = []

    async def main(found: Audited) -> None:
        for _ in range(3):
            await found.submit()
        await asyncio.sleep(60)
        figures.append((len(found.worker.audited), found.dispatcher.figures(), found.dispatcher.cards))

    audited(main, 0.0)
    audited(main, 1.0)
    (none, *before), (some, *after) = figures
    assert (none, some) == (0, 3)
    assert before == after


def test_it_holds_no_place_and_drains_at_once():
    async def main(found: Audited) -> None:
        await found.submit()
        await found.until(lambda: found.worker.audited)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert found.dispatcher.figures()["open"] == 0
        assert await found.dispatcher.drain(30.0) == 0
        assert loop.time() == began
        await asyncio.sleep(60)
        assert found.audit.ends == {"cancelled": 1}
        assert len(found.worker.audited) == 1

    audited(main)


def test_it_begins_nothing_beside_another_and_nothing_that_no_worker_has_at_hand():
    async def main(found: Audited) -> None:
        assert found.dispatcher.fill(task()) is None  # its weights may not be in memory
        await found.submit(guidance_scale=7.5)
        first = found.dispatcher.fill(task())
        assert first is not None
        assert found.dispatcher.fill(task()) is None
        assert isinstance(await first, Made)
        assert found.dispatcher.fill(task("another")) is None
        run = found.submit()
        assert found.dispatcher.fill(task()) is None
        run.cancel()
        assert isinstance(await run, Cancelled)

    audited(main)


def sample(size: int, time: float = 0.0, given: int = 0) -> Sample:
    """A sample of so many bytes."""
    asked = replace(task(), pictures={"image": Picture(bytes(given), given, 1, 1, 1)})
    return Sample(asked, POINTS[0], ("local", ""), Picture(bytes(size), size, 1, 1, 1), time)


def test_the_uncached_one_is_nobodys_and_takes_its_time():
    one = sample(10)
    one.task = replace(one.task, point=2, user="ann", deadline=1.0)
    again = one.uncached("audit_1")
    assert again == replace(one.task, id="audit_1", point=None, user="", deadline=None)


def test_samples_are_few_small_and_soon_gone():
    samples = Samples(most=3, most_bytes=100, longest=10.0)
    first, *rest = (sample(10, float(at)) for at in range(4))
    for one in (first, *rest):
        samples.add(one)
    assert [*samples] == rest
    samples.add(sample(101))
    assert (len(samples), samples.bytes) == (3, 30)
    large = sample(50, 5.0, given=30)
    samples.add(large)
    assert (len(samples), samples.bytes) == (3, 100)
    samples.add(sample(20, 6.0))
    assert (len(samples), samples.bytes) == (2, 100)
    samples.expire(15.5)
    assert [len(samples), samples.bytes] == [1, 20]
    samples.drop(large)  # it is gone already
    samples.clear()
    assert [*samples] == []


def test_one_that_waits_too_long_is_forgotten():
    async def main(found: Audited) -> None:
        await found.submit()
        with found.dispatcher.enter(task(), owner=Owner("other")):
            await asyncio.sleep(601)
            assert found.audit.figures()["samples"] == 0
        await asyncio.sleep(60)
        assert found.worker.audited == []

    audited(main)

"""What a front was held against and lost to becomes a part of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evocache.policies import parse
from evocache.schedule import Schedule
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.cost.schedule_cost import Costs
from evocache.validation.adoption import adopt_rivals
from evocache.validation.contender import Contender
from evocache.validation.contenders import Field
from evocache.validation.proof_file import Basis
from evocache.validation.validate import assemble_proof
from tests.search.trees import stack

TREE = stack()
STEPS = 20
COSTS = Costs({c.id: 1.0 for c in TREE}, {}, {c.id: 8 for c in TREE})
OWN = parse("steps:0,1,4,8").schedule(TREE, STEPS)
BASIS = Basis(prompts=4, rounds=5, timed=2, quality="latent", steps=STEPS)


def seed(spec: str) -> Contender:
    return Contender(spec, "seed", 0.5, Point(parse(spec).schedule(TREE, STEPS), {"error": -20.0}))


def figures(speedup: float, quality: float, memory: float = 0.0) -> dict[str, float]:
    spread = {"speedup q1": 0.95 * speedup, "speedup q3": 1.05 * speedup}
    return {"speedup": speedup, "quality": quality, "memory": memory, **spread}


EVOLVED = Contender("front 0", "front", 0.3, Point(OWN, {"error": -30.0, "latency": 1.0}))
RIVALS = [EVOLVED, seed("fora:2"), seed("fora:3"), Contender("5 steps", "steps", 0.25, steps=5)]
MEASURED = {
    "uncached": {"speedup": 1.0, "quality": 80.0},
    "front 0": figures(3.0, 30.0, memory=8.0),
    "fora:2": figures(1.6, 38.0, memory=96.0),
    "fora:3": figures(2.0, 29.0, memory=96.0),
    "5 steps": figures(3.4, 27.0),
}
FIELD = Field(Front((Point(OWN, {}),), STEPS), [], COSTS, STEPS, least=2)


def test_what_no_point_beats_is_adopted() -> None:
    taken = adopt_rivals(RIVALS, MEASURED, FIELD)
    assert list(taken) == ["fora:2", "5 steps"]  # fora:3 is slower and worse than the point
    fewer = taken["5 steps"].schedule
    assert fewer == Schedule.full(TREE, 5)
    assert fewer.provenance.origin == "5 steps"
    assert {contender.group for contender in taken.values()} == {"front"}


def test_a_point_beats_what_it_is_as_good_and_as_fast_as() -> None:
    assert "5 steps" not in adopt_rivals(RIVALS, {**MEASURED, "5 steps": figures(3.0, 30.0)}, FIELD)
    assert "5 steps" in adopt_rivals(RIVALS, {**MEASURED, "5 steps": figures(3.1, 30.0)}, FIELD)


def test_one_that_is_adopted_beats_others() -> None:
    better = {**MEASURED, "fora:3": figures(1.6, 39.0)}
    assert list(adopt_rivals(RIVALS, better, FIELD)) == ["fora:3", "5 steps"]


def test_what_the_uncached_pipeline_beats_is_not_adopted() -> None:
    slow = {**MEASURED, "fora:2": figures(0.97, 40.0)}
    assert list(adopt_rivals(RIVALS, slow, FIELD)) == ["5 steps"]


def test_the_same_schedule_is_not_adopted_twice() -> None:
    contender = replace(EVOLVED, name="steps:0,1,4,8", group="seed")
    measured = {**MEASURED, contender.name: figures(9.0, 90.0)}
    assert adopt_rivals([EVOLVED, contender], measured, FIELD) == {}


def test_fewer_steps_only_where_points_may_have_them() -> None:
    for least in (None, 6):
        assert list(adopt_rivals(RIVALS, MEASURED, replace(FIELD, least=least))) == ["fora:2"]


def test_memory_that_was_searched_is_kept() -> None:
    bounded = replace(EVOLVED, point=Point(OWN, {"error": -30.0, "memory": 8.0}))
    assert list(adopt_rivals([bounded, *RIVALS[1:]], MEASURED, FIELD)) == ["5 steps"]
    pressed = replace(EVOLVED, point=Point(OWN, {"error": -30.0, "peak": 1e6}))
    assert adopt_rivals([pressed, *RIVALS[1:]], MEASURED, FIELD) == {}


def test_adopted_ones_are_points_and_baselines_of_a_proof() -> None:
    outputs = {name: name for name in MEASURED}
    taken = adopt_rivals(RIVALS, MEASURED, FIELD)
    proof, named = assemble_proof(RIVALS, MEASURED, outputs, BASIS, taken, asks=True)
    assert [point.measured["speedup"] for point in proof.front] == [3.4, 3.0, 1.6]
    assert [point.steps for point in proof.front] == [5, 20, 20]
    assert list(proof.baselines) == ["uncached", "fora:2", "fora:3", "5 steps"]
    assert named == {
        "uncached": "uncached",
        "front 0": "5 steps",
        "front 1": "front 0",
        "front 2": "fora:2",
        "fora:2": "fora:2",
        "fora:3": "fora:3",
        "5 steps": "5 steps",
    }
    assert proof.front.pick(speedup=3.2).measured["quality"] == pytest.approx(27.0)

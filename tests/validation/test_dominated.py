"""What the clock finds beaten leaves the front: it is kept beside it, with what beat it, and is never picked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evocache.errors import FrontError
from evocache.policies import parse
from evocache.schedule import Schedule
from evocache.schedule.front.comparison import beats
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.cost.schedule_cost import Costs
from evocache.validation.adoption import adopt_rivals
from evocache.validation.contender import Contender
from evocache.validation.contenders import Field
from evocache.validation.dominated import FEWER_STEPS, find_dominated
from evocache.validation.proof_file import Basis, read_proof, write_proof
from evocache.validation.validate import add_equal_time, assemble_proof
from tests.search.trees import stack

TREE = stack()
STEPS = 20
BASIS = Basis(prompts=4, rounds=5, timed=2, quality="latent", steps=STEPS)
COSTS = Costs({c.id: 1.0 for c in TREE}, {}, {c.id: 8 for c in TREE})
UNCACHED = {"speedup": 1.0, "quality": 80.0}


def evolved(number: int, **objectives: float) -> Contender:
    """A point whose schedule computes every so-and-so-many steps."""
    schedule = parse(f"steps:{','.join(map(str, range(0, STEPS, number + 2)))}").schedule(TREE, STEPS)
    return Contender(f"front {number}", "front", 0.5, Point(schedule, {"error": -20.0, **objectives}))


POLICY = Contender("fora:2", "seed", 0.5, Point(parse("fora:2").schedule(TREE, STEPS), {}))
STEPPED = [Contender(f"{n} steps", "steps", n / STEPS, steps=n) for n in (5, 10)]


def figures(speedup: float, quality: float, memory: float = 8.0, **more: float) -> dict[str, float]:
    return {"speedup": speedup, "quality": quality, "memory": memory, **more}


def found(*measured: tuple[float, float]) -> dict[str, dict[str, float]]:
    """Figures of two points, a policy, and five and ten steps, with what fewer steps give."""
    names = ["front 0", "front 1", "fora:2", "5 steps", "10 steps"]
    known = {name: figures(*pair) for name, pair in zip(names, measured, strict=True)}
    add_equal_time(RIVALS, known)
    return {"uncached": UNCACHED, **known}


RIVALS = [evolved(0), evolved(1), POLICY, *STEPPED]
FIELD = Field(Front((RIVALS[0].point, RIVALS[1].point), STEPS), [], COSTS, STEPS, least=2)  # type: ignore[arg-type]


def dominated(*figures: tuple[float, float]) -> dict[str, str]:
    """What each of the rivals with these speed-ups and qualities is dominated by."""
    return find_dominated(RIVALS, {}, found(*figures))


def test_points_are_beaten_by_points_policies_steps_and_the_uncached_pipeline() -> None:
    assert dominated((2.0, 40), (2.5, 35), (1.5, 30), (4, 20), (1.9, 30)) == {}
    assert dominated((2.0, 40), (2.5, 41), (1.5, 30), (4, 20), (1.9, 30)) == {"front 0": "front 1"}
    assert dominated((2.0, 40), (2.5, 35), (2.0, 41), (4, 20), (1.9, 30)) == {"front 0": "fora:2"}
    assert dominated((2.0, 40), (2.5, 35), (1.5, 30), (4, 20), (2.5, 36)) == {"front 1": "10 steps"}
    assert dominated((0.9, 40), (2.5, 35), (1.5, 30), (4, 20), (1.9, 30)) == {"front 0": "uncached"}


def test_points_are_beaten_by_what_lies_between_two_numbers_of_steps() -> None:
    measured = found((8 / 3, 24.9), (8 / 3 + 0.01, 25.1), (1.5, 20), (4, 20), (2, 30))
    del measured["front 1"]
    contenders = [RIVALS[0], *RIVALS[2:]]
    assert find_dominated(contenders, {}, measured) == {"front 0": FEWER_STEPS}
    measured["front 0"]["quality"] = 25.2
    assert find_dominated(contenders, {}, measured) == {}


def test_a_point_is_not_beaten_by_itself_under_another_name() -> None:
    assert RIVALS[0].point is not None
    own = [replace(RIVALS[0], point=POLICY.point), *RIVALS[1:]]  # timed twice, not quite the same
    assert find_dominated(own, {}, found((1.9, 40), (2.5, 35), (2.0, 40), (4, 20), (1.5, 30))) == {}
    full = Point(Schedule.full(TREE, 10), {})
    own = [replace(RIVALS[0], point=full), *RIVALS[1:]]
    assert find_dominated(own, {}, found((1.9, 40), (2.5, 35), (1.5, 30), (4, 20), (2.0, 40))) == {}


def test_what_cannot_be_believed_beats_nothing_and_is_not_adopted() -> None:
    measured = found((2.0, 40), (2.5, 35), (3.0, 41), (4, 20), (1.9, 30))
    assert find_dominated(RIVALS, {}, measured) == {"front 0": "fora:2", "front 1": "fora:2"}
    assert "fora:2" in adopt_rivals(RIVALS, measured, FIELD)
    measured["fora:2"]["predicted speedup"] = 1.7
    assert find_dominated(RIVALS, {}, measured) == {}
    assert "fora:2" not in adopt_rivals(RIVALS, measured, FIELD)
    wild = found((2.0, 40), (2.5, 35), (1.5, 30), (9, 39), (1.9, 30))
    assert find_dominated(RIVALS, {}, wild) == {"front 1": "5 steps"}
    wild["5 steps"]["predicted speedup"] = 4.0
    for known in wild.values():
        known.pop("fewer steps quality", None)
    add_equal_time(RIVALS, wild)
    assert find_dominated(RIVALS, {}, wild) == {}  # nor do its neighbours by way of it


def test_who_holds_less_is_not_beaten_where_that_was_searched() -> None:
    measured = found((2.0, 40), (2.5, 41), (1.5, 30), (4, 20), (1.9, 30))
    measured["front 1"]["memory"] = 9.0
    assert find_dominated(RIVALS, {}, measured) == {"front 0": "front 1"}
    bounded = [evolved(0, memory=8.0), evolved(1, memory=9.0), *RIVALS[2:]]
    assert find_dominated(bounded, {}, measured) == {}
    pressed = [evolved(0, peak=1e6), *RIVALS[2:]]
    line = found((8 / 3, 24.9), (9, 1), (1.5, 20), (4, 20), (2, 30))
    for name, held in (("front 0", 1e6), ("fora:2", 2e6), ("5 steps", 2e6), ("10 steps", 2e6)):
        line[name]["peak"] = held
    line["uncached"] = {**UNCACHED, "peak": 2e6}
    assert find_dominated(pressed, {}, line) == {}
    line["5 steps"]["peak"] = line["10 steps"]["peak"] = 1e6
    assert find_dominated(pressed, {}, line) == {"front 0": FEWER_STEPS}


@example([(1.0, 1.0), (1.0, 1.0), (2.0625, 2.0), (1.0, 1.0), (2.0, 2.0)])
@given(st.lists(st.tuples(st.floats(0.5, 9), st.floats(1, 60)), min_size=5, max_size=5))
def test_what_is_left_is_beaten_by_nothing(measured: list[tuple[float, float]]) -> None:
    known = found(*measured)
    taken = adopt_rivals(RIVALS, known, FIELD)
    lost = find_dominated(RIVALS, taken, known)
    left = [name for name in ("front 0", "front 1", *taken) if name not in lost]
    for name in left:
        assert not any(beats(theirs, known[name]) for other, theirs in known.items() if other != name)
    for name, by in lost.items():
        assert by not in lost
        assert by == FEWER_STEPS or beats(known[by], known[name])
        if by not in (FEWER_STEPS, "uncached"):  # what is as good and as fast is a point itself
            assert any(
                known[n]["speedup"] >= known[by]["speedup"] and known[n]["quality"] >= known[by]["quality"]
                for n in left
            )


def test_the_beaten_are_kept_beside_the_front_and_never_picked(tmp_path: Path) -> None:
    measured = found((2.0, 40), (2.5, 41), (1.5, 30), (4, 20), (1.9, 30))
    lost = find_dominated(RIVALS, {}, measured)
    proof, outputs = assemble_proof(RIVALS, measured, {name: np.zeros(1) for name in measured}, BASIS, {}, lost)
    assert proof.names == ("front 0",)
    assert proof.front[0].measured["speedup"] == 2.5
    kept = proof.baselines["beaten 0"]
    assert (kept.group, kept.by, kept.measured["quality"]) == ("beaten", "front 0", 40)
    assert RIVALS[0].point is not None
    assert kept.schedule == RIVALS[0].point.schedule
    assert list(outputs) == ["uncached", "front 0", "beaten 0", "fora:2", "5 steps", "10 steps"]
    write_proof(tmp_path, proof)
    assert read_proof(tmp_path) == proof
    assert Front.load(tmp_path).pick(speedup=1.5).measured["quality"] == 41
    marked = replace(proof, baselines={"beaten 0": replace(kept, storage="int8", budget=10**6)})
    write_proof(tmp_path, marked)
    assert read_proof(tmp_path) == marked


def test_a_front_of_which_everything_is_beaten_is_empty_and_says_so() -> None:
    measured: Mapping[str, dict[str, float]] = found((0.8, 40), (0.9, 41), (0.7, 30), (0.5, 20), (0.6, 30))
    proof, _ = assemble_proof(RIVALS, measured, {}, BASIS, {}, find_dominated(RIVALS, {}, measured))
    assert len(proof.front) == 0
    assert {name for name, b in proof.baselines.items() if b.by == "uncached"} == {"beaten 0", "beaten 1"}
    with pytest.raises(FrontError, match="a front with points"):
        proof.front.pick(speedup=1)

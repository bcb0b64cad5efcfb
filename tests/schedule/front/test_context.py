"""A front's figures hold where it was evolved: what differs is named, and `pick` refuses a call from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import ContextError, FrontError, RunError
from evocache.policies import parse
from evocache.schedule import dumps
from evocache.schedule.front.context import Context, describe_differences, find_shared
from evocache.schedule.front.front import Front
from evocache.schedule.front.front_file import as_json
from evocache.schedule.front.point import Point
from tests.search.trees import stack

OWN = Context(
    {"guidance_scale": 2.5, "num_inference_steps": 20, "solver": "Euler 1234", "adapters": "", "dtype": "float32"}
)
SCHEDULE = parse("fora:2").schedule(stack(), 20)


def point(speedup: float, quality: float, context: Context | None = OWN) -> Point:
    return Point(SCHEDULE, {}, {"speedup": speedup, "quality": quality}, context=context)


def test_what_differs_is_named_with_both_values() -> None:
    assert OWN.differences(OWN) == ()
    assert OWN.differences(OWN.but(guidance_scale=2.5000001)) == ()
    assert OWN.differences(OWN.but(guidance_scale=2.6)) != ()
    found = OWN.differences(OWN.but(guidance_scale=5, adapters="style 0.8", num_inference_steps=20.0))
    assert [str(difference) for difference in found] == [
        "guidance_scale 5 (evolved at 2.5)",
        "adapters style 0.8 (evolved at none)",
    ]
    assert "its quality is unknown there" in describe_differences(found)
    assert OWN.differences(OWN.but(num_inference_steps="timesteps of its own")) != ()


def test_what_nobody_knows_is_no_difference() -> None:
    assert OWN.differences(Context({})) == ()
    assert Context({}).differences(OWN) == ()
    assert OWN.differences(Context({"height": 512})) == ()


def test_what_contexts_have_in_common() -> None:
    assert find_shared([OWN, OWN.but(num_inference_steps=12)]).values.keys() == OWN.values.keys() - {
        "num_inference_steps"
    }


def test_a_call_from_elsewhere_is_refused() -> None:
    front = Front((point(3.0, 20.0), point(2.0, 30.0)))
    assert front.pick(speedup=1.5, context=OWN) == front[1]
    assert front.pick(speedup=1.5, context=Context({"guidance_scale": 2.5})) == front[1]
    with pytest.raises(ContextError, match=r"scale 5 \(evolved at 2.5\), dtype bfloat16 \(evolved at float32\)"):
        front.pick(speedup=1.5, context=OWN.but(guidance_scale=5.0, dtype="bfloat16"))
    assert front.pick(speedup=1.5) == front[1]  # who does not ask is told by `apply`
    with pytest.raises(FrontError, match="the nearest has"):
        front.pick(speedup=9, context=OWN)


def test_points_of_the_call_s_own_context_are_picked_from_mixed_fronts() -> None:
    other, unknown = point(2.0, 40.0, OWN.but(guidance_scale=5.0)), point(2.0, 35.0, None)
    front = Front((other, unknown, point(2.0, 30.0)))
    assert front.pick(speedup=2) == other
    assert front.pick(speedup=2, context=OWN) == unknown
    assert front.pick(speedup=2, context=OWN.but(guidance_scale=5.0)) == other


def test_a_file_keeps_contexts_and_older_ones_load_without(tmp_path: Path) -> None:
    document: dict[str, Any] = {"format": "evocache.front", "version": 2, "points": []}
    document["points"] = [as_json("a", point(2.0, 30.0)), as_json("b", point(1.5, 40.0, None))]
    assert "context" not in document["points"][1]
    (tmp_path / "front.json").write_text(json.dumps(document))
    assert Front.load(tmp_path).points == (point(2.0, 30.0), point(1.5, 40.0, None))
    assert dumps(Front.load(tmp_path)[0].schedule) == dumps(SCHEDULE)


@pytest.mark.parametrize("damage", [3, [], {"guidance_scale": None}, {"guidance_scale": [1]}, {"x": {"y": 1}}])
def test_damaged_contexts_are_refused(tmp_path: Path, damage: Any) -> None:
    entry = {**as_json("a", point(2.0, 30.0)), "context": damage}
    (tmp_path / "front.json").write_text(json.dumps({"format": "evocache.front", "version": 2, "points": [entry]}))
    with pytest.raises(RunError, match="context"):
        Front.load(tmp_path)


def test_a_front_that_is_retargeted_belongs_nowhere_yet() -> None:
    (moved,) = Front((point(2.0, 30.0),)).retarget(stack())
    assert moved.context is None

"""Fronts: what dominates what, and what `pick` gives."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evocache.errors import AmountError, FrontError, MismatchError, PipelineError, RunError
from evocache.policies import parse
from evocache.schedule import Schedule, uniform
from evocache.schedule.front import Front, Point, front_file
from evocache.schedule.front.front import front_of, non_dominated
from tests.search.trees import stack

TREE = stack()


def point(spec: str, speedup: float, quality: float, memory: float) -> Point:
    schedule = parse(spec).schedule(TREE, 12)
    return Point(schedule, {}, {"speedup": speedup, "quality": quality, "memory": memory})


FAST, MIDDLE, GOOD = point("fora:4", 3.0, 25, 100e6), point("fora:3", 2.2, 32, 300e6), point("fora:2", 1.6, 40, 50e6)
FRONT = Front((FAST, MIDDLE, GOOD))


def test_pick_gives_the_best_that_meets_the_wish() -> None:
    assert FRONT.pick(speedup=2) is MIDDLE
    assert FRONT.pick(speedup=1) is GOOD
    assert FRONT.pick(quality=30) is MIDDLE
    assert FRONT.pick(memory="200MB") is GOOD
    assert FRONT.pick(speedup=2, memory="200MB") is FAST
    assert FRONT.pick(speedup=1, quality=30) is GOOD


def test_what_nobody_reaches_names_the_nearest() -> None:
    with pytest.raises(FrontError, match=r"speedup 4.*nearest has speedup 3"):
        FRONT.pick(speedup=4)
    with pytest.raises(FrontError, match=r"memory 10 B.*nearest has speedup 1\.6, quality 40, memory 50 MB"):
        FRONT.pick(memory="10B")
    with pytest.raises(
        FrontError, match=r"speedup 2, quality 35, memory 200 MB; .*nearest has speedup 1\.6, quality 40"
    ):
        FRONT.pick(speedup=2, quality=35, memory="200MB")
    with pytest.raises(FrontError, match=r"front\.pick"):
        FRONT.pick()
    with pytest.raises(FrontError, match="evolve"):
        Front(()).pick(speedup=1)


def test_combined_wishes_are_all_met() -> None:
    assert FRONT.pick(quality=30, memory="300MB") is MIDDLE
    assert FRONT.pick(quality=30, memory="200MB") is GOOD
    assert FRONT.pick(speedup=2.5, quality=20, memory="1GB") is FAST
    assert FRONT.pick(speedup=3.0, memory=100e6) is FAST
    assert FRONT.pick(speedup="2") is MIDDLE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wish", [{"speedup": "fast"}, {"speedup": float("nan")}, {"quality": float("inf")}, {"memory": float("nan")}]
)
def test_wishes_that_are_none(wish: dict[str, Any]) -> None:
    with pytest.raises(
        (FrontError, AmountError), match=next(iter(wish.values())) if "fast" in wish.values() else "nan|inf"
    ):
        FRONT.pick(**wish)


def test_what_nobody_has_measured_is_said() -> None:
    bare = Front(tuple(Point(p.schedule, {"error": 1.0}) for p in FRONT))
    with pytest.raises(FrontError, match=r"whose speedup and memory nobody has measured.*quality"):
        bare.pick(speedup=2, memory="1GB")
    quick = Front(tuple(Point(p.schedule, {}, {"speedup": p.measured["speedup"]}) for p in FRONT))
    with pytest.raises(FrontError, match=r"whose quality nobody has measured.*a wish for speedup or memory"):
        quick.pick(quality=30)
    assert quick.pick(speedup=2).measured == {"speedup": 2.2}  # of those fast enough, the one that computes most


def test_points_have_numbers() -> None:
    assert (FRONT[0], FRONT[-1], len(FRONT)) == (FAST, GOOD, 3)


def test_a_retargeted_front_predicts_speed_and_nothing_else() -> None:
    moved = FRONT.retarget(stack(8), depth=True)
    assert [p.schedule.tree for p in moved] == [stack(8)] * 3
    assert [(p.objectives, p.measured) for p in moved] == [({}, {})] * 3
    assert [p.predicted for p in moved] == [{"speedup": pytest.approx(p.measured["speedup"])} for p in FRONT]
    assert moved.pick(speedup=2).schedule == MIDDLE.schedule.retargeted(stack(8), depth=True)
    assert "speedup 2.2, quality 32, memory 3e+08" in moved[1].schedule.provenance.notes["made for"]
    for wish in ({"quality": 30}, {"memory": "200MB"}, {"speedup": 2, "quality": 30}):
        with pytest.raises(FrontError, match="nobody has measured"):
            moved.pick(**wish)
    with pytest.raises(MismatchError, match="depth=True"):
        FRONT.retarget(stack(8))


def test_what_is_predicted_there_can_be_picked_by() -> None:
    def predict(schedule: Schedule) -> dict[str, float]:
        return {"speedup": 1 / schedule.executed_fraction(), "memory": 1e6}

    moved = FRONT.retarget(TREE, predict=predict)
    assert moved.pick(memory="1MB", speedup=3.5).schedule == FAST.schedule
    assert moved[2].predicted == {"speedup": 2.0, "memory": 1e6}
    slow = FRONT.retarget(TREE, predict=lambda schedule: {"speedup": schedule.executed_fraction()})
    assert [p.schedule for p in slow] == [p.schedule for p in reversed(FRONT.points)]  # the fastest there comes first
    measured = replace(moved[2], measured={"speedup": 1.7})
    assert (measured.figure("speedup"), measured.figure("memory"), measured.figure("quality")) == (1.7, 1e6, None)


def test_other_step_counts_scale_the_prediction_by_what_is_executed() -> None:
    moved = FRONT.retarget(TREE, steps=13)
    assert [p.schedule for p in moved] == [p.schedule.resampled(13) for p in FRONT]
    old, new = GOOD.schedule.executed_fraction(), moved[2].schedule.executed_fraction()
    assert (old, new) == (6 / 12, 7 / 13)
    assert moved[2].predicted == {"speedup": pytest.approx(1.6 * old / new)}


def test_retargeting_twice_remembers_where_it_was_measured() -> None:
    twice = FRONT.retarget(stack(8), depth=True).retarget(TREE, depth=True)
    assert twice[1].predicted == {"speedup": pytest.approx(2.2)}
    assert twice[1].schedule.provenance.notes["made for"].startswith("a model, 4 blocks, 12 steps; measured there")
    assert twice[1].schedule == MIDDLE.schedule


def test_points_that_become_one_are_kept_once() -> None:
    tree = stack(4)
    low, high = (Point(uniform(tree, 4, [f"t/b.{i}"], [0]), {}, {"speedup": 1.1}) for i in (0, 1))
    assert len(Front((low, high)).retarget(stack(2), depth=True)) == 2
    assert len(Front((low, low)).retarget(tree)) == 1


def test_a_front_is_retargeted_to_a_pipeline_or_what_was_found_in_it(family: Any) -> None:
    import evocache

    pipe = family("pixart").pipe
    model = evocache.discover(pipe)
    front = Front((Point(parse("fora:2").schedule(model.tree, 4), {}, {"speedup": 1.8}),))
    for target in (pipe, model):
        moved = front.retarget(target)
        assert moved[0].schedule == front[0].schedule
        assert moved[0].schedule.model == {"transformer": "PixArtTransformer2DModel"}
        with evocache.apply(pipe, moved.pick(speedup=1.5)) as handle:
            assert handle.active
    bare = front.retarget(pipe.transformer)[0].schedule
    assert {c.denoiser for c in bare.components} == {"denoiser"}
    assert bare.orders.tolist() == front[0].schedule.orders.tolist()
    with pytest.raises(PipelineError, match="a str"):
        front.retarget("zoo:emoji")


def test_non_dominated_against_the_definition() -> None:
    values = np.random.default_rng(0).integers(0, 6, (60, 3)).astype(float)
    keep = non_dominated(values)
    for i, row in enumerate(values):
        dominated = any((other <= row).all() and (other < row).any() for other in values)
        first = not any((values[j] == row).all() for j in range(i))
        assert keep[i] == (not dominated and first)


def test_front_of_leaves_out_what_is_dominated() -> None:
    schedules = [parse(spec).schedule(TREE, 12) for spec in ("fora:2", "fora:3", "fora:4")]
    objectives = [{"error": 1.0, "latency": 2.0}, {"error": 2.0, "latency": 1.0}, {"error": 2.0, "latency": 3.0}]
    points = [Point(s, o) for s, o in zip(schedules, objectives, strict=True)]
    assert {p.schedule for p in front_of(points, ("error", "latency"))} == set(schedules[:2])


def mixed() -> Front:
    """12 steps uncached; a point of 12 steps, one of 6."""
    points = [(6, 4.0, 20.0), (12, 2.0, 40.0)]
    made = [Point(parse("fora:2").schedule(TREE, n), {}, {"speedup": s, "quality": q}, steps=n) for n, s, q in points]
    return Front(tuple(made), 12)


def test_retargeted_to_other_steps_every_point_has_them_in_proportion() -> None:
    front = mixed().retarget(TREE, steps=20)
    assert front.uncached_steps == 20
    assert [(p.schedule.steps, p.steps) for p in front] == [(10, 10), (20, 20)]
    assert [p.figure("speedup") for p in front] == pytest.approx([4.0, 2.0], rel=0.15)
    same = mixed().retarget(TREE)
    assert [p.schedule for p in same] == [p.schedule for p in mixed()]
    assert [p.figure("speedup") for p in same] == [4.0, 2.0]
    unknown = Front((FAST,)).retarget(TREE, steps=6)
    assert (unknown[0].steps, unknown[0].schedule.steps, unknown.uncached_steps) == (None, 6, 6)
    assert Front((mixed()[0],), 12).retarget(TREE, steps=6)[0].schedule.steps == 3


def test_shares_are_of_the_uncached_pipeline() -> None:
    front = mixed()
    assert [round(front.executed(p), 3) for p in front] == [0.25, 0.5]
    assert Front(front.points).uncached_steps == 12
    assert Front(front.points[:1]).uncached_steps == 6
    assert Front(()).uncached_steps == 0


def held(spec: str, speedup: float, peak: float, **others: Any) -> Point:
    made = replace(point(spec, speedup, 30, 1e6), **others)
    return replace(made, measured={**made.measured, "peak": peak})


def test_where_the_peak_is_known_memory_is_the_peak() -> None:
    small = held("fora:2", 1.2, 2e9, budget=2_100_000_000)
    large, coded = held("fora:2", 1.6, 5e9), held("fora:2", 1.5, 3e9, storage="int8")
    front = Front((large, coded, small))
    assert front.pick(memory="6GB") is large
    assert front.pick(memory="3GB") is coded
    assert front.pick(memory="2GB") is small
    with pytest.raises(FrontError, match=r"memory 1 GB.*nearest has speedup 1\.2, quality 30, memory 2 GB"):
        front.pick(memory="1GB")
    predicted = Point(large.schedule, {"error": 1.0, "peak": 4e9}, {"speedup": 1.0, "memory": 1.0})
    assert predicted.held == 4e9


def test_another_pipeline_takes_the_storage_and_leaves_the_budget() -> None:
    front = Front((held("fora:2", 1.5, 3e9, storage="int8", budget=5), held("fora:2", 1.6, 4e9)))
    moved = front.retarget(TREE)
    assert [(point.storage, point.budget) for point in moved] == [("none", None), ("int8", None)]
    with pytest.raises(FrontError, match="memory nobody has measured"):
        moved.pick(memory="1GB")


def test_files_say_no_more_than_they_have_to(tmp_path: Any) -> None:
    plain, planned = held("fora:3", 2.0, 1e9), held("fora:2", 1.5, 3e9, storage="int8", budget=3_000_000_000)
    for points, version in (((plain,), 2), ((plain, planned), 3)):
        assert front_file.choose_version(points) == version
        document = {
            "format": front_file.FORMAT,
            "version": version,
            "points": [front_file.as_json(f"front {i}", p) for i, p in enumerate(points)],
        }
        (tmp_path / "front.json").write_text(json.dumps(document))
        assert Front.load(tmp_path).points == points
    assert not {"storage", "budget"} & {*front_file.as_json("front 0", plain)}
    for name, wrong in (("budget", -1), ("budget", "2GB"), ("storage", 7)):
        document["points"][1] = {**front_file.as_json("front 1", planned), name: wrong}
        (tmp_path / "front.json").write_text(json.dumps(document))
        with pytest.raises(RunError, match="damaged"):
            Front.load(tmp_path)

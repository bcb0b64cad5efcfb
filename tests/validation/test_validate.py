"""What is measured at the end of a run, on a clock and a quality that are known, and on a tiny pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evocache.errors import RunError
from evocache.metrics.clocks import Clock
from evocache.policies import parse
from evocache.schedule import Schedule
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.cost.schedule_cost import Costs
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.validation.contender import Contender
from evocache.validation.contenders import Field, choose_spread, thin
from evocache.validation.picture_rows import GAP, draw_row, write_picture_rows
from evocache.validation.proof_file import read_proof
from evocache.validation.time_budget import (
    LADDER,
    LEAST_ROUNDS,
    ROUNDS,
    MeasuredPace,
    allows_another_round,
    choose_effort,
    estimate_least_seconds,
    list_omissions,
)
from evocache.validation.validate import add_equal_time, validate
from tests.search.trees import stack
from tests.test_evolve_run import CALL, PROMPTS

TREE = stack()
STEPS = 20
COSTS = Costs({c.id: 1.0 for c in TREE}, {}, {c.id: 8 for c in TREE})
NAMES = ("none", "fora:2", "fora:3", "fora:5", "tgate:10")
SEEDS = [parse(spec).schedule(TREE, STEPS) for spec in NAMES]


def field(count: int = 4, seeds: list[Schedule] = SEEDS) -> Field:
    points = []
    for i in range(count):
        schedule = parse(f"steps:{','.join(map(str, range(0, STEPS, i + 1)))}").schedule(TREE, STEPS)
        points.append(Point(schedule, {"error": float(i), "latency": COSTS.latency(schedule)}))
    return Field(Front(tuple(points)), seeds, COSTS, STEPS)


def test_contenders_are_points_policies_and_steps_of_equal_time() -> None:
    found = field().contenders(points=8, policies=8, counts=8)
    groups = {group: [c.name for c in found if c.group == group] for group in ("front", "seed", "steps")}
    assert groups["front"] == ["front 0", "front 1", "front 2"]  # what computes everything is no contender
    assert sorted(groups["seed"]) == ["fora:2", "fora:3", "fora:5", "tgate:10"]
    for contender, steps in zip([c for c in found if c.group == "front"], groups["steps"], strict=True):
        assert steps == f"{round(STEPS * contender.share)} steps"
    assert [c.share for c in found if c.group == "front"] == sorted(c.share for c in found if c.group == "front")


def test_points_that_were_started_from_are_measured_in_any_case() -> None:
    whole = field(12)
    some = [whole.points[i] for i in (3, 4, 5, 8)]
    begun = replace(whole, start=frozenset(point.schedule.digest for point in some))
    for most in (2, 6):
        chosen = [c.point for c in begun.contenders(most, 0, 0) if c.group == "front"]
        assert all(point in chosen for point in some)
        assert len(chosen) == max(most, len(some))
    assert (
        list_omissions(replace(LADDER[-1], points=2), begun, 1)[0]
        == f"{len(whole.points) - 4} of {len(whole.points)} points of the front"
    )


def test_the_strongest_policies_are_chosen_where_errors_are_known() -> None:
    errors = {SEEDS[0].digest: 0.0, SEEDS[1].digest: 1.0, SEEDS[2].digest: 9.0, SEEDS[3].digest: 10.0}
    errors[SEEDS[4].digest] = 9.9
    known = Field(field().front, SEEDS, COSTS, STEPS, errors)
    assert [c.name for c in known.contenders(1, 3, 0) if c.group == "seed"] == ["fora:5", "fora:3", "fora:2"]
    some = Field(field().front, SEEDS, COSTS, STEPS, {SEEDS[2].digest: 1.0})
    assert [c.name for c in some.contenders(1, 2, 0) if c.group == "seed"] == ["fora:5", "fora:3"]
    assert [p.objectives for p in field().policies] == [{}] * 4


def test_the_ends_and_what_adds_most_are_chosen() -> None:
    corners = [(0.0, 10.0), (1.0, 9.0), (1.2, 2.0), (5.0, 1.9), (10.0, 0.0)]
    points = [Point(SEEDS[0], {"error": e, "latency": t}) for e, t in reversed(corners)]
    assert [p.objectives["error"] for p in choose_spread(points, 3)] == [10.0, 1.2, 0.0]
    assert choose_spread(points, 9) == points
    assert thin(range(10), 3) == [0, 4, 9]


def test_effort_follows_from_the_time() -> None:
    pace = MeasuredPace(0.0, 0.1, 16)
    for seconds in (1e6, 100.0, 20.0, 5.0, 3.0):
        effort = choose_effort(field(), pace, seconds)
        assert effort.seconds(effort.contenders(field()), pace) <= seconds
    assert choose_effort(field(), pace, 1e6) == LADDER[0]
    assert choose_effort(field(), MeasuredPace(1.0, 1e3, 16), 1.0) == LADDER[-1]
    efforts = [effort.seconds(effort.contenders(field()), pace) for effort in LADDER]
    assert efforts == sorted(efforts, reverse=True)
    assert list_omissions(LADDER[0], field(), prompts=32) == []
    assert list_omissions(LADDER[-1], field(), prompts=32) == [
        "1 of 3 points of the front",
        "4 of 4 policies among the seeds",
        "1 of 2 numbers of steps",
        "30 of 32 held-out prompts",
    ]
    assert (LADDER[0].rounds, LADDER[-1].rounds) == (ROUNDS, LEAST_ROUNDS)


def test_the_shortest_proof_takes_as_long_as_is_predicted_or_less() -> None:
    pace = MeasuredPace.of(1.0, 4, 0.6)
    least = LADDER[-1]
    assert least.seconds(least.contenders(field()), pace) < estimate_least_seconds(1.0, 4) < 15.0
    assert estimate_least_seconds(2.0, 4) == pytest.approx(2 * estimate_least_seconds(1.0, 4))
    assert estimate_least_seconds(1.0, 1) > estimate_least_seconds(1.0, 4)  # each of its prompts takes a second


def test_rounds_go_on_as_long_as_another_one_ends_in_time() -> None:
    assert allows_another_round(3, taken=9.0, left=3.0)
    assert not allows_another_round(3, taken=9.0, left=2.9)
    assert allows_another_round(LEAST_ROUNDS, taken=9.0, left=-50.0)  # one that warms up, and so one too few that count
    assert not allows_another_round(LEAST_ROUNDS + 1, taken=9.0, left=-50.0)


def test_a_pace_has_what_calls_and_what_prompts_take() -> None:
    pace = MeasuredPace.of(seconds=5.0, prompts=4, single=2.0)
    assert (pace.call, pace.prompt) == (1.0, 1.0)
    assert [pace.seconds(n) for n in (1, 4, 5)] == [2.0, 5.0, 7.0]
    assert MeasuredPace.of(2.0, 1, 2.0).seconds(3) == 6.0
    assert MeasuredPace.of(1.0, 4, 2.0).seconds(4) == 2.0  # larger calls are as fast as small ones


def test_fewer_steps_at_equal_time_lie_between_those_measured() -> None:
    contenders = [Contender(name, group, 0.5) for name, group in (("f", "front"), ("far", "front"), ("s", "steps"))]
    contenders.append(Contender("t", "steps", 0.5))
    figures = {
        "f": {"speedup": 1 / 0.4, "quality": 30.0},
        "far": {"speedup": 10.0, "quality": 3.0},
        "s": {"speedup": 2.0, "quality": 20.0},
        "t": {"speedup": 1 / 0.3, "quality": 10.0},
    }
    add_equal_time(contenders, figures)
    assert figures["f"]["fewer steps quality"] == pytest.approx(15.0)
    assert [name for name, found in figures.items() if "fewer steps quality" in found] == ["f"]


@pytest.fixture
def pipe(family: Any) -> Any:
    return family("pixart").pipe


@pytest.fixture(autouse=True)
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Generations take what their blocks' layers do: a second a call, whatever the machine is busy with."""
    from evocache.model import discover
    from evocache.validation import validate as module

    hooks: list[Any] = []
    done = [0]

    def count(*_: Any) -> None:
        done[0] += 1

    def counting(pipe: Any, *, waits: bool) -> Clock:
        for denoiser in discover(pipe).denoisers:
            leaves = [denoiser.modules[c.id] for c in denoiser.components if c.is_leaf]
            hooks.extend(leaf.register_forward_hook(count) for leaf in leaves)
        return Clock("calls of layers", lambda: float(done[0]))

    monkeypatch.setattr(module, "clock_of", counting)
    yield
    for hook in hooks:
        hook.remove()


def proven(pipe: Any, folder: Path, judge: str = "psnr", **settings: Any) -> Any:
    from evocache.model import discover

    tree = discover(pipe).tree
    schedules = [parse(spec).schedule(tree, 6) for spec in ("fora:2", "fora:3")]
    costs = Costs({c.id: 1.0 for c in tree if c.is_leaf}, {}, {c.id: 8 for c in tree})
    points = tuple(Point(s, {"error": -20.0, "latency": costs.latency(s)}) for s in schedules)
    held = Workload.of(PROMPTS, CALL, seed=9, batch=3)
    return validate(pipe, quality(judge), held, Field(Front(points), schedules, costs, 6), folder, **settings)


def test_a_proof_is_kept_as_it_was_measured(pipe: Any, tmp_path: Path) -> None:
    cls, told = type(pipe), []
    proof = proven(pipe, tmp_path, tell=told.append)
    assert type(pipe) is cls
    assert read_proof(tmp_path) == proof
    assert Front.load(tmp_path) == Front.load(tmp_path / "front.json") == proof.front
    assert proof.names == ("front 0", "front 1")
    assert {name: b.group for name, b in proof.baselines.items()} == {
        "uncached": "uncached",
        "fora:3": "seed",
        "fora:2": "seed",
        "3 steps": "steps",
        "2 steps": "steps",
    }
    assert (proof.basis.prompts, proof.basis.rounds, proof.basis.unit) == (4, 5, "dB")
    assert proof.basis.clock == "calls of layers"
    assert [p.measured["speedup"] for p in proof.front] == [3.0, 2.0]
    assert proof.noise == []
    point = next(p for p in proof.front if p.schedule.provenance.origin == "fora:2").measured
    assert point["predicted speedup"] == 2.0
    assert point["calibration quality"] == 20.0
    assert point["quality q1"] <= point["quality median"] <= point["quality q3"]
    assert point["speedup q1"] <= point["speedup"] <= point["speedup q3"]
    # the same schedule as a policy is measured anew, and its pictures are the same
    assert proof.baselines["fora:2"].measured["quality"] == pytest.approx(point["quality"])
    assert proof.baselines["uncached"].measured["speedup"] == 1.0
    assert proof.baselines["uncached"].measured["quality"] == 80.0
    assert "timing" in told


@pytest.mark.parametrize(("seconds", "rounds"), [(1e9, 5), (3600.0, 4), (1500.0, 2)])
def test_a_proof_ends_in_time_with_fewer_rounds(
    pipe: Any, tmp_path: Path, monkeypatch: Any, seconds: float, rounds: int
) -> None:
    """By a clock that only generations that are timed move: 100 seconds each, of seven contenders in a round."""
    from evocache.validation import contender_trial as module

    wall = [0.0]
    once = module.ContenderTrial._generated

    def generated(self: Any, contender: Any, numbers: Any, plan: Any = None, **changes: Any) -> Any:
        if plan is None and changes and self.rounds_began:
            wall[0] += 100.0
        return once(self, contender, numbers, plan, **changes)

    def timed(self: Any, *given: Any) -> Any:
        self.rounds_began = True
        return whole(self, *given)

    whole = module.ContenderTrial.time_contenders
    monkeypatch.setattr(module.ContenderTrial, "rounds_began", False, raising=False)
    monkeypatch.setattr(module.ContenderTrial, "_generated", generated)
    monkeypatch.setattr(module.ContenderTrial, "time_contenders", timed)
    proof = proven(pipe, tmp_path, seconds=seconds, now=lambda: wall[0])
    assert proof.basis.rounds == rounds
    assert read_proof(tmp_path).basis.rounds == rounds
    assert proof.basis.seconds == wall[0]
    assert wall[0] <= seconds or rounds == LEAST_ROUNDS


def test_pictures_are_kept_in_strips(pipe: Any, tmp_path: Path) -> None:
    proof = proven(pipe, tmp_path)
    pictures = proof.pictures
    assert pictures.prompts == tuple(PROMPTS)
    assert set(pictures.files) == {"uncached", *proof.names, *proof.baselines}
    assert len(pictures.files) == 7
    for file in pictures.files.values():
        with Image.open(tmp_path / file) as strip:
            assert strip.size == (4 * (32 + GAP) - GAP, 32)


def test_a_pipeline_without_pictures_is_proven_without(pipe: Any, tmp_path: Path, monkeypatch: Any) -> None:
    def decode(*_: Any, **__: Any) -> None:
        raise RuntimeError("it cannot")

    monkeypatch.setattr(pipe.vae, "decode", decode)
    proof = proven(pipe, tmp_path, "latent")
    assert proof.pictures.files == {}
    assert proof.front[0].measured["speedup"] > 0
    assert not (tmp_path / "pictures").exists()


def test_what_fails_is_left_out_and_said(pipe: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from evocache.validation import contender_trial as module

    def errors(self: Any, schedule: Schedule, prompts: list[int], storage: str) -> list[float]:
        return [float("inf") if schedule.provenance.origin == "fora:3" else -1.0] * len(prompts)

    monkeypatch.setattr(module.LocalEvaluator, "errors", errors)
    proof = proven(pipe, tmp_path)
    assert "fora:3" not in proof.baselines
    assert any("fora:3" in text for text in proof.basis.left_out)


def test_a_reward_that_raises_now_and_then_costs_its_prompts_only(pipe: Any, tmp_path: Path) -> None:
    def moody(images: Any, prompts: list[str]) -> list[float]:
        if PROMPTS[-1] in prompts:  # the last batch holds this prompt alone
            raise ValueError("not this one")
        return [float(image.mean()) for image in images]

    proof = proven(pipe, tmp_path, moody)  # type: ignore[arg-type]
    assert all(np.isfinite(b.measured["quality"]) for b in proof.baselines.values())

    def never(images: Any, prompts: list[str]) -> list[float]:
        raise ValueError("none of them")

    with pytest.raises(RunError, match="none of them"):
        proven(pipe, tmp_path, never)  # type: ignore[arg-type]


def test_strips_of_images_videos_and_what_is_neither(tmp_path: Path) -> None:
    image = np.zeros((2, 16, 8, 3))
    image[1, :, :, 0] = 1.0
    strip = draw_row(image)
    assert strip is not None
    assert strip.size == (2 * 8 + GAP, 16)
    assert strip.getpixel((8 + GAP, 0)) == (255, 0, 0)
    video = np.zeros((1, 4, 8, 8, 3))
    video[:, 2:, :, :, 2] = 1.0
    film = draw_row(video)
    assert film is not None
    assert (film.size, film.getpixel((0, 0)), film.getpixel((0, 8 + GAP))) == ((8, 16 + GAP), (0, 0, 0), (0, 0, 255))
    large = draw_row(np.zeros((1, 512, 256, 3)))
    assert large is not None
    assert large.size == (96, 192)
    found = write_picture_rows(tmp_path, {"latent": np.zeros((2, 4, 8, 8)), "../Fora:2": image})
    assert found == {"../Fora:2": "pictures/01-fora-2.png"}


def test_a_damaged_front_is_refused(pipe: Any, tmp_path: Path) -> None:
    proven(pipe, tmp_path)
    file = tmp_path / "front.json"
    document = json.loads(file.read_text())
    for damage, word in (
        ({"version": 1}, "version 2"),
        ({"points": [{}]}, "name"),
        ({"points": 3}, "list"),
        ({"basis": {}}, "prompts"),
        ({"baselines": {"x": {"group": "seed", "measured": {"speedup": "fast"}}}}, "number"),
    ):
        file.write_text(json.dumps({**document, **damage}))
        with pytest.raises(RunError, match=word):
            read_proof(tmp_path)
    file.write_text(json.dumps({**document, "pictures": {"prompts": [], "files": {"a": "../../secret.png"}}}))
    assert read_proof(file).pictures.files == {}


def test_points_of_fewer_steps_are_generated_with_them(pipe: Any, tmp_path: Path) -> None:
    from evocache.model import discover

    tree = discover(pipe).tree
    schedules = [Schedule.full(tree, 3), parse("fora:2").schedule(tree, 4), Schedule.full(tree, 6)]
    costs = Costs({c.id: 1.0 for c in tree if c.is_leaf}, {}, {c.id: 8 for c in tree})
    points = tuple(Point(s, {"error": -20.0 - s.steps, "latency": costs.latency(s)}) for s in schedules)
    held = Workload.of(PROMPTS, CALL, seed=9, batch=3)
    found = Field(Front(points, 6), [], costs, 6)
    assert [round(c.share, 2) for c in found.contenders(9, 0, 9)] == [0.33, 0.5, 0.33, 0.5]
    proof = validate(pipe, quality("latent"), held, found, tmp_path)
    assert [(p.schedule.steps, p.steps) for p in proof.front] == [(4, 4)]  # not the uncached one
    beaten = proof.baselines["beaten 0"]  # every second of four steps is faster, and better
    assert (beaten.schedule, beaten.by) == (Schedule.full(tree, 3), "front 0")
    by_steps = {3: beaten.measured}
    # all computed in 3 steps is what the uncached pipeline gives in 3
    assert by_steps[3]["quality"] == pytest.approx(proof.baselines["3 steps"].measured["quality"])
    assert by_steps[3]["quality median"] == pytest.approx(proof.baselines["3 steps"].measured["quality median"])
    assert proof.basis.steps == proof.front.uncached_steps == 6
    assert read_proof(tmp_path) == proof
    assert Front.load(tmp_path) == proof.front
    document = json.loads((tmp_path / "front.json").read_text())
    for point in document["points"]:
        del point["steps"]
    del document["basis"]["steps"]
    (tmp_path / "front.json").write_text(json.dumps(document))
    old = read_proof(tmp_path)  # as they were written before
    assert ([p.steps for p in old.front], old.front.uncached_steps) == ([None], 4)

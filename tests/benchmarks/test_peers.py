"""What the comparison with other caches concludes from its rows, and how it counts."""

import json

import pytest
import torch

from benchmarks.peers import analysis, checkpoint, ours, table, timing, watch
from benchmarks.peers.contender import FEWER, FRONT, POLICY, STEPS, UNCACHED
from evocache.policies import parse
from evocache.schedule import Schedule, save
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.cost.schedule_cost import Costs
from evocache.search.storage.journal import Journal
from evocache.search.storage.journal_records import JobEvaluated, RunStarted, ScheduleWritten
from evocache.search.storage.packed_cells import pack
from evocache.validation.proof_file import Basis, Proof, write_proof
from tests.search.trees import stack


def row(name, family, speedup, psnr, accuracy=1.0, **more):
    figures = {"latent psnr": psnr, "frechet": 1.0, "executed": 1 / speedup, "cached bytes": 1000, "no-op": False}
    return {"name": name, "family": family, "speedup": speedup, "psnr": psnr, "prompt accuracy": accuracy} | (
        figures | more
    )


ROWS = [
    row("uncached", UNCACHED, 1.0, 100.0),
    row("front 0", FRONT, 3.0, 30.0, 0.9),
    row("front 1", FRONT, 2.5, 36.0),
    row("front 2", FRONT, 1.5, 45.0),
    row("10 steps", FEWER, 2.0, 36.0),
    row("8 steps", FEWER, 2.4, 36.05),
    row("5 steps", FEWER, 3.5, 20.0, 0.5),
    row("fora:2", POLICY, 1.95, 37.0),
    row("slow", "diffusers A", 1.2, 90.0),
    row("nothing", "diffusers B", 1.6, 100.0, **{"no-op": True}),
    {"name": "broken", "family": "diffusers C", "error": "ValueError: no"},
]


def duel(name):
    return next(d for d in analysis.duels(ROWS) if d["rival"] == name)


def test_rivals_are_those_that_work_within_the_range():
    assert [r["name"] for r in analysis.rivals(ROWS)] == ["10 steps", "8 steps", "5 steps", "fora:2"]


def test_a_rival_is_met_by_measured_points_only():
    met = duel("10 steps")
    assert (met["speedup at equal quality"], met["gain"]) == (2.5, 1.25)
    assert (met["quality at equal speedup"], met["margin"], met["verdict"]) == (36.0, 0.0, "equals")


def test_a_slightly_better_rival_is_equalled_but_not_reached_in_quality_at_its_speed():
    met = duel("8 steps")
    assert met["speedup at equal quality"] == 1.5
    assert (met["margin"], met["verdict"]) == (-0.05, "equals")


def test_no_point_is_as_fast():
    met = duel("5 steps")
    assert met["margin"] is None
    assert met["verdict"] == "not reached"
    assert met["gain"] == pytest.approx(3.0 / 3.5, abs=1e-3)


@pytest.mark.parametrize(
    ("margin", "word"),
    [(None, "not reached"), (0.1, "dominates"), (0.09, "equals"), (-0.1, "equals"), (-0.11, "loses")],
)
def test_verdicts(margin, word):
    assert analysis.verdict(margin) == word


def test_dominance_counts_and_names_exceptions():
    held = analysis.dominance(ROWS)
    assert (held["rivals"], held["dominates"], held["equals"], held["loses"], held["not reached"]) == (4, 0, 2, 1, 1)
    assert held["least margin"] == -1.0  # against fora:2, which front 1 outruns at 36 dB
    assert held["exceptions"] == ["5 steps", "fora:2"]
    assert not held["dominates or equals all"]


def test_no_rivals_are_not_a_victory():
    assert not analysis.dominance([ROWS[0], ROWS[1]])["dominates or equals all"]


def test_faster_still_takes_the_best_heuristic_at_about_two():
    still = analysis.faster_still(ROWS)
    assert still["psnr"]["heuristic"] == "fora:2"
    assert still["psnr"]["our speedup"] == 1.5
    assert still["prompt accuracy"]["ours"] == "front 1"
    assert still["prompt accuracy"]["gain"] == pytest.approx(2.5 / 1.95, abs=1e-3)
    fewer = analysis.faster_still(ROWS, families=(FEWER,))
    assert fewer["psnr"]["heuristic"] == "8 steps"


def test_faster_still_without_heuristics_says_so():
    assert analysis.faster_still(ROWS[:4])["psnr"]["gain"] is None


def test_error_of_a_paired_difference():
    one, other = {"psnr of each": [30.0, 32.0, 34.0]}, {"psnr of each": [29.0, 31.0, 33.0]}
    assert analysis.standard_error(one, other) == 0.0
    assert analysis.standard_error(one, {"psnr of each": [29.0, 32.0, 32.0]}) == pytest.approx(0.577, abs=1e-3)
    assert analysis.standard_error(one, {}) is None


def test_non_dominated_rows_go_from_slow_to_fast():
    names = [r["name"] for r in analysis.non_dominated(ROWS)]
    assert names == ["slow", "front 2", "fora:2", "8 steps", "front 1", "front 0", "5 steps"]


def test_speedups_are_over_the_uncached_runs_around():
    taken = [("uncached", 2.0), ("a", 1.0), ("b", 1.5), ("uncached", 4.0)]
    assert timing.ratios(taken) == {"a": 3.0, "b": 2.0}
    assert timing.summary({"a": [1.0, 2.0, 3.0]}) == {"a": {"speedup": 2.0, "speedup quartiles": [1.5, 2.5]}}


def test_a_torn_line_of_the_checkpoint_is_survived(tmp_path):
    kept = checkpoint.Checkpoint(tmp_path / "work" / "lines.jsonl")
    key = checkpoint.key_of(name="a", prompts=4)
    kept.add(key, {"psnr": 1.0})
    with kept.file.open("a") as out:
        out.write('{"key": "b", "ps')
    kept.add("c", {"psnr": 3.0})
    assert [line["psnr"] for line in kept.lines()] == [1.0, 3.0]
    assert kept.find(checkpoint.key_of(prompts=4, name="a")) == {"key": key, "psnr": 1.0}
    assert kept.find("b") is None


def test_tables_name_the_best_and_what_fails():
    result = {"rows": ROWS, "analysis": analysis.analyse(ROWS), "steps": 20, "batch": 16, "prompts": 4}
    result = json.loads(json.dumps(result))
    short = table.short(result)
    assert "| evocache, evolved front | **45.0** | **36.0** | **36.0** | **30.0** | - |" in short
    assert "| fewer steps, uncached | 36.0 | **36.0** | 20.0 | 20.0 | **20.0** |" in short
    assert "loses to 1 and does not reach 1" in short
    long = table.long(result)
    assert "| broken |" in long
    assert "fails: ValueError: no" in long
    assert "does nothing" in long


def test_held_bytes_count_a_storage_once_and_whole():
    whole = torch.zeros(2, 8)
    assert watch.held_bytes([{"a": whole[1], "b": [whole[0], (whole,)]}, whole, torch.nn.Linear(4, 4)]) == 64


def test_work_counts_what_runs_inside_blocks():
    model = torch.nn.ModuleDict(
        {"blocks": torch.nn.Sequential(torch.nn.Linear(3, 5)), "head": torch.nn.Linear(5, 7)},
    )
    with watch.working(model) as work:
        model["head"](model["blocks"](torch.zeros(2, 3)))
    assert work.multiply_adds == 2 * 3 * 5


def test_work_counts_convolutions_by_group_and_the_middle_of_a_unet():
    convolutions = [torch.nn.Conv2d(4, 6, 3, padding=1, groups=2), torch.nn.Conv1d(6, 2, 3), torch.nn.Conv3d(1, 2, 2)]
    model = torch.nn.ModuleDict({"mid_block": torch.nn.ModuleList(convolutions), "conv_in": torch.nn.Conv2d(4, 4, 1)})
    plane, line, solid = model["mid_block"]
    with watch.working(model) as work:
        plane(model["conv_in"](torch.zeros(1, 4, 5, 5)))
        line(torch.zeros(1, 6, 4))
        solid(torch.zeros(1, 1, 2, 2, 2))
    assert work.multiply_adds == 6 * 5 * 5 * 2 * 9 + 2 * 2 * 6 * 3 + 2 * 8


def test_what_a_contender_leaves_behind_is_named_and_taken_away():
    class Pipe:
        pass

    class Other(Pipe):
        pass

    pipe, denoiser, left = Pipe(), torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), set()
    with watch.pristine(pipe, denoiser, left):
        pipe.cached = True
        Pipe.__call__ = lambda self: None
        denoiser[0].forward = lambda x: x
        denoiser[0].in_features = 3
        denoiser.add_module("0", denoiser._modules.pop("0"))
    assert left == {"cached", "__call__", "forward", "in_features", "_modules"}
    assert list(denoiser._modules) == ["0", "1"]
    assert "forward" not in vars(denoiser[0])
    assert denoiser[0].in_features == 2
    assert not hasattr(pipe, "cached")
    assert "__call__" not in vars(Pipe)


def test_points_of_fewer_steps_are_generated_with_them_and_called_so(tmp_path):
    tree = stack()
    schedules = [Schedule.full(tree, STEPS), Schedule.full(tree, 8), parse("fora:2").schedule(tree, STEPS)]
    points = tuple(Point(s, {"error": -1.0}, {"speedup": 2.0, "quality": 1.0}) for s in schedules)
    write_proof(tmp_path, Proof(Front(points, STEPS), ("a", "b", "c"), {}, Basis(1, 5, 1, "latent", steps=STEPS)))
    fewer, same = ours.front(tmp_path / "front.json")
    assert (fewer.name, fewer.steps) == (f"front {schedules[1].digest[:6]}, 8 steps", 8)
    assert (same.name, same.steps) == (f"front {schedules[2].digest[:6]}", STEPS)


def test_a_trace_knows_the_steps_of_schedules(tmp_path):
    from benchmarks.search import PROMPTS, trace

    tree = stack()
    save(Schedule.full(tree, STEPS), tmp_path / "uncached.json")
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append(RunStarted({"steps": STEPS}))
        for schedule in (Schedule.full(tree, STEPS), Schedule.full(tree, 5)):
            steps = None if schedule.steps == STEPS else schedule.steps
            journal.append(ScheduleWritten(schedule.digest, pack(schedule), steps=steps))
            values = (-20.0,) * PROMPTS
            journal.append(JobEvaluated(schedule.digest, (*range(PROMPTS),), values, steps=16.0 * schedule.steps))
    found = trace(tmp_path, Costs({c.id: 1.0 for c in tree}, {}, {}), 0.0)
    assert found.values.tolist() == [[-20.0, 1.0], [-20.0, 0.25]]
    assert found.costs.tolist() == [320.0, 400.0]

"""A run's folder, made up: schedules whose errors are known, so that a report's figures are, too."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from evocache.policies import parse
from evocache.schedule import REUSE, Schedule, forecast, save
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.storage.journal import Journal
from evocache.search.storage.journal_records import GenerationEnded, JobEvaluated, RunStarted, ScheduleWritten
from evocache.search.storage.packed_cells import pack
from evocache.validation.picture_rows import write_picture_rows
from evocache.validation.proof_file import Baseline, Basis, Pictures, Proof, write_proof
from tests.search.trees import stack

TREE = stack()
STEPS = 8
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&\"'{{ 7 * 7 }}{% raw %}{#"
"""A text that closes elements, opens others, ends attributes, and is a template."""


def candidates(count: int = 48) -> list[Schedule]:
    """Schedules of several costs, half of which compute feed-forward where the others compute attention."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        orders = np.full((STEPS, len(TREE)), -1, dtype=np.int8)
        for i, component in enumerate(TREE.components):
            if component.kind == ("attention" if number % 2 else "feed_forward"):
                orders[rng.permutation(np.arange(1, STEPS))[: 3 + number // 12], i] = 0
        found.append(Schedule(TREE, orders))
    return found


def error(schedule: Schedule) -> float:
    """In decibels: what computes feed-forward is much better, and what computes more a little."""
    columns = [i for i, c in enumerate(TREE.components) if c.kind == "feed_forward"]
    return -40 * float(schedule.executed[:, columns].mean()) - 10 * schedule.executed_fraction()


def write_journal(
    folder: Path, schedules: list[Schedule], *, prompt: str = "a cat", torn: str = "", failed: str = ""
) -> None:
    """A journal of one generation of so many schedules, each on two prompts, in two rungs; some may have failed."""
    run = {"steps": STEPS, "prompts": [prompt, "b"], "judge": "latent", "objectives": ["latency"]}
    with Journal(folder / "journal.jsonl") as journal:
        journal.append(RunStarted({**run, "settings": {"prompts": 2, "population": 4}}))
        for schedule in schedules:
            steps = None if schedule.steps == STEPS else schedule.steps
            journal.append(ScheduleWritten(schedule.digest, pack(schedule), "", steps))
            for number in (0, 1):
                journal.append(JobEvaluated(schedule.digest, (number,), (error(schedule) + number - 0.5,)))
        if failed:
            for schedule in schedules[:2]:
                journal.append(JobEvaluated(schedule.digest, (1, 0), (math.inf,) * 2, failed=failed))
        for number in (0, 1):
            steps = 100.0 * (number + 1)
            journal.append(GenerationEnded(number, 2 * len(schedules), steps, len(schedules), 0.5 + 0.1 * number, 5.0))
    with open(folder / "journal.jsonl", "a") as file:
        file.write(torn)
    save(Schedule.full(TREE, STEPS), folder / "uncached.json")


def figures(speedup: float, quality: float) -> dict[str, float]:
    """Of something that was measured, with spread."""
    return {
        "speedup": speedup,
        "speedup q1": speedup - 0.1,
        "speedup q3": speedup + 0.1,
        "quality": quality,
        "quality q1": quality - 2,
        "quality median": quality,
        "quality q3": quality + 2,
        "memory": 2.0**20,
        "seconds": 0.5 / speedup,
    }


def write_front(
    folder: Path, *, name: str = "fora:2", prompt: str = "a cat", quality: str = "latent", held: str = "prompts"
) -> Proof:
    """A proof of two points, a policy, two numbers of steps and pictures."""
    spans = [i for i, c in enumerate(TREE.components) if c.kind == "span"]
    points = []
    for number, (every, action) in enumerate(((2, forecast(1, 0.5)), (4, REUSE))):
        orders = np.full((STEPS, len(TREE)), -1, dtype=np.int8)
        gains = np.zeros(orders.shape)
        skipped = [step for step in range(STEPS) if step % every]
        orders[np.ix_(skipped, spans)], gains[np.ix_(skipped, spans)] = action.order, action.gain
        measured = {**figures(3.0 - number, 20.0 + 5 * number), "calibration quality": 22.0 + 5 * number}
        points.append(Point(Schedule(TREE, orders, gains), {"error": -22.0 - 5 * number, "latency": 1.0}, measured))
    policy = parse("fora:2").schedule(TREE, STEPS)
    baselines = {
        "uncached": Baseline("uncached", {**figures(1.0, 80.0), "memory": 0.0}),
        name: Baseline("seed", figures(1.8, 17.0), policy),
        "4 steps": Baseline("steps", {**figures(2.0, 15.0), "memory": 0.0}),
    }
    pictures = np.random.default_rng(0).random((2, 8, 8, 3))
    files = write_picture_rows(folder, {"uncached": pictures, "front 0": pictures / 2, name: pictures / 3})
    basis = Basis(32, 5, 4, quality, "dB", residual=True, device="cpu", left_out=("3 of 5 policies",), held_out=held)
    proof = Proof(Front(tuple(points)), ("front 0", "front 1"), baselines, basis, Pictures((prompt, "b"), files))
    write_proof(folder, proof)
    return proof

"""Recipes: workers have the pipeline that this process has, and give the same answers to the last bit."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from evocache.errors import IdentityError, RunError
from evocache.memory.planner.planner import Machine
from evocache.policies import parse
from evocache.runtime import call_memory
from evocache.search.evaluate import evaluation_plans
from evocache.search.evaluate.fingerprint import fingerprint
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.worker_recipe import Packed, Recipe, Stored, _save, spread
from evocache.search.evaluate.workload import Workload
from evocache.search.optimise.job import Job
from tests.test_evolve_run import CALL, PROMPTS
from tests.tiny import FAMILIES


def tiny(scale: float = 1.0) -> Any:
    pipe = FAMILIES["pixart"].build()
    with torch.no_grad():
        next(pipe.transformer.parameters()).mul_(scale)
    return pipe


def brightness(images: Any, prompts: Any) -> Any:
    return images.mean(axis=(1, 2, 3))


@pytest.fixture
def local(family) -> Iterator[LocalEvaluator]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield LocalEvaluator(family("pixart").pipe, Workload.of(PROMPTS, CALL, batch=3), quality("latent"))
    torch.set_num_threads(threads)


def jobs(local: LocalEvaluator) -> list[Job]:
    schedules = [parse(spec).schedule(local.tree, 6) for spec in ("none", "fora:2", "fora:3", "taylorseer:2")]
    return [
        *(Job(schedule, prompts) for schedule in schedules for prompts in ((3, 1), (0, 2))),
        Job(schedules[1], (0, 1), (schedules[2], schedules[3])),
    ]


def test_one_worker_is_this_process(local: LocalEvaluator) -> None:
    with spread(local, "latent") as evaluator:
        assert evaluator is local


def test_answers_do_not_depend_on_what_was_answered_before(local: LocalEvaluator) -> None:
    call_arguments = jobs(local)
    forwards = dict(local.evaluate(call_arguments))
    fresh = LocalEvaluator(local.pipe, local.workload, local.quality)
    backwards = dict(fresh.evaluate(call_arguments[::-1]))
    assert forwards == {len(call_arguments) - 1 - number: answer for number, answer in backwards.items()}


@pytest.mark.slow
def test_two_workers_answer_as_one_process_does(local: LocalEvaluator) -> None:
    call_arguments = jobs(local)
    with spread(local, "latent", workers=2) as evaluator:
        assert evaluator is not local
        assert sorted(evaluator.evaluate(call_arguments)) == list(local.evaluate(call_arguments))


def test_copies_are_the_pipeline_whose_weights_they_share(local: LocalEvaluator, tmp_path) -> None:
    _save(local.pipe, tmp_path / "pipe.pt")
    own = dict(local.pipe.transformer.named_parameters())
    for load in (Stored(tmp_path / "pipe.pt"), Packed((tmp_path / "pipe.pt").read_bytes())):
        pipe = load()
        assert type(pipe) is type(local.pipe)
        assert all(torch.equal(weight, own[name]) for name, weight in pipe.transformer.named_parameters())


def test_what_is_loaded_must_be_the_pipeline_that_is_evolved(local: LocalEvaluator) -> None:
    workload = Workload.of(PROMPTS, CALL, batch=3)
    parts = fingerprint(tiny(), workload, quality("latent"))
    assert Recipe(tiny, workload, "latent", 1, gpu=False, parts=parts)(0).tree == local.tree
    recipe = Recipe(functools.partial(tiny, 0.5), workload, "latent", 1, gpu=False, parts=parts)
    with pytest.raises(IdentityError, match=r"worker's pipeline.*transformer\.weights is.*let load make the very"):
        recipe(0)


def test_rewards_travel_by_name(local: LocalEvaluator) -> None:
    recipe = Recipe(tiny, local.workload, f"{__name__}:brightness", 1, gpu=False)
    judged = recipe(0)
    assert judged.quality.output == "np"
    ((_, errors),) = judged.evaluate([Job(parse("fora:2").schedule(local.tree, 6), (0, 1))])
    assert len(errors) == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_sent_is_refused(local: LocalEvaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="0 workers"), spread(local, "latent", workers=0):
        pass
    with pytest.raises(RunError, match="no lambdas"), spread(local, "latent", workers=2, load=lambda: local.pipe):
        pass
    monkeypatch.setattr(local.pipe, "watcher", lambda: None, raising=False)
    with pytest.raises(RunError, match=r"PixArt.*load="), spread(local, "latent", workers=2):
        pass


def test_workers_plan_by_the_machine_that_they_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unmeasured(device: object) -> None:
        raise AssertionError("a worker measures its own machine")

    monkeypatch.setattr(evaluation_plans, "measured", unmeasured)
    monkeypatch.setattr(call_memory, "machine", unmeasured)
    workload = Workload.of(PROMPTS[:2], {**CALL, "output_type": "latent"}, batch=2)
    worker = Recipe(tiny, workload, "latent", torch.get_num_threads(), False, 1_110_000, Machine(1e9, 1e-5))(0)
    worker.references([0, 1])
    schedule = parse("fora:2").schedule(worker.tree, worker.steps)
    ((_, errors),) = worker.evaluate([Job(schedule, (0, 1))])
    assert torch.tensor(errors).isfinite().all()

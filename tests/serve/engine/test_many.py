"""Very many requests that are cancelled, fail and run short of memory at random: nothing of them is left."""

from __future__ import annotations

import gc
import random
import time
import weakref
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch

from evocache import apply
from evocache.errors import GenerationError
from evocache.runtime.attach import call_scope, interception
from evocache.runtime.joint.lane import Lane
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.job import Job
from evocache.serve.engine.turns import batches
from tests.serve.calls import difference, engine_threads
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments

PIXART = FAMILIES["pixart"]
COUNT = {False: 200, True: 1000}
"""How many requests there are, and with `--all`."""
OUTSTANDING = 24
SAMPLE = 16


class BrokenError(Exception):
    pass


class Fault:
    """What befalls a request at a step: it fails, is cancelled, or is told of its end by its user."""

    def __init__(self, how: str, at: int) -> None:
        self.how, self.at = how, at
        self.job: Job | None = None

    def __call__(self, step: int, timestep: Any, latents: torch.Tensor) -> None:
        if step != self.at:
            return
        if self.how == "fails":
            raise BrokenError
        if self.how == "cancelled" and self.job is not None:
            self.job.cancel()


def draw_request(draw: random.Random, pipe: Any, number: int) -> tuple[dict[str, Any], dict[str, Any], Fault]:
    """What the engine is asked, the arguments of the call, and what befalls it."""
    steps = draw.choice((2, 3, 4))
    given = arguments(PIXART, pipe, seed=number, steps=steps, guidance=draw.random() < 0.7)
    given["output_type"] = draw.choice(("latent", "np"))
    if draw.random() < 0.3:
        given["num_images_per_prompt"] = 2
    if draw.random() < 0.3:
        given["height"] = given["width"] = 32
    asked = {"what": draw.choice(("none", "fora:2", "taylorseer:2")), "user": draw.choice("abc")}
    if draw.random() < 0.3:
        asked["deadline"] = draw.choice((0.01, 1.0, 100.0))
    how = draw.choices(("", "fails", "cancelled", "at once", "wrong"), (60, 10, 10, 10, 10))[0]
    if how == "wrong":
        given["guidance_scale"] = "much"
    return asked, given, Fault(how, draw.randrange(steps))


def live_tensors() -> int:
    gc.collect()
    return sum(type(thing) in (torch.Tensor, torch.nn.Parameter) and not thing.is_meta for thing in gc.get_objects())


def as_it_is(pipe: Any) -> Any:
    """What a request could have changed of a pipeline."""
    modules = [m for part in pipe.components.values() if isinstance(part, torch.nn.Module) for m in part.modules()]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules]
    sums = [float(p.detach().double().sum()) for m in modules for p in m.parameters(recurse=False)]
    names = [sorted(vars(m)) for m in modules]
    own = {name: value for name, value in vars(pipe).items() if isinstance(value, (int, float, str, bool, type(None)))}
    return hooks, sums, names, own, repr(pipe.scheduler.config), vars(pipe.scheduler).keys()


def run(pipe: Any, count: int, seed: int) -> list[weakref.ref[Any]]:
    """Ask for so many, hold what comes of them against what is asked, and return what shall not live any more."""
    draw = random.Random(seed)
    with Engine({"pixart": pipe}, open=8, rows=16) as engine:
        jobs: list[tuple[Job, Fault]] = []
        kept: dict[int, tuple[str, dict[str, Any]]] = {}
        watched: list[weakref.ref[Any]] = []
        for number in range(count):
            asked, given, fault = draw_request(draw, pipe, number)
            watched.append(weakref.ref(given["generator"]))
            if not fault.how:
                kept[number] = (asked["what"], deepcopy(given))
            job = fault.job = engine.submit(seed=number, callback=fault, **asked, **given)
            jobs.append((job, fault))
            if fault.how == "at once":
                job.cancel()
            outstanding = [job for job, _ in jobs if job.state in ("queued", "running")]
            if len(outstanding) > OUTSTANDING:
                if draw.random() < 0.2:
                    time.sleep(draw.random() * 0.02)
                    draw.choice(outstanding).cancel()
                outstanding[0]._ended.wait(60)
        for job, _ in jobs:
            assert job._ended.wait(100), job.progress
        figures = engine.figures
    ended = {state: sum(job.state == state for job, _ in jobs) for state in ("done", "failed", "cancelled")}
    assert sum(ended.values()) == count
    assert (figures.done, figures.failed, figures.cancelled) == tuple(ended.values())
    assert min(ended.values()) > count / 20
    assert figures.together > count / 4  # how many meet is a matter of time
    assert figures.split > 0 or count < max(COUNT.values())
    for job, fault in jobs:
        if job.state == "failed":
            with pytest.raises((BrokenError, TypeError, torch.OutOfMemoryError)):
                job.result()
        elif job.state == "cancelled":
            with pytest.raises(GenerationError, match="cancelled"):
                job.result()
        else:
            assert fault.how in ("", "cancelled", "at once")  # it was over when it was cancelled
    good = [number for number in kept if jobs[number][0].state == "done"]
    for number in draw.sample(good, min(SAMPLE, len(good))):
        what, given = kept[number]
        with apply(pipe, what):
            assert difference(pipe(**given), jobs[number][0].result()) < 1e-4
        watched.append(weakref.ref(jobs[number][0]))
    return watched


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")  # of so few steps some schedules reuse nothing
def test_nothing_is_left_of_very_many_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = PIXART.build()
    pipe.set_progress_bar_config(disable=True)
    chance = random.Random(0)

    def short(compute: Callable[..., Any], often: float) -> Callable[..., Any]:
        def sometimes(*given: Any) -> Any:
            output = compute(*given)
            if chance.random() < often:
                raise torch.OutOfMemoryError("too little")
            return output

        return sometimes

    monkeypatch.setattr(Lane, "compute", short(Lane.compute, 0.01))
    monkeypatch.setattr(batches, "compute_together", short(batches.compute_together, 0.005))
    gone = run(pipe, 60, seed=1)  # what is kept for all calls, such as plans, is kept from here on
    before, tensors = as_it_is(pipe), live_tensors()
    gone += run(pipe, COUNT[bool(request.config.getoption("--all"))], seed=2)
    gc.collect()
    assert not [one for one in gone if one() is not None]
    assert as_it_is(pipe) == before
    assert live_tensors() <= tensors
    assert not engine_threads()
    assert not interception._attached
    assert not call_scope._entered

"""Engines of one process take turns: its random states and flags are one."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from evocache.serve.engine.engine import Engine
from tests.serve.calls import difference
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments


def drawing(name: str, pipe: Any, seed: int) -> dict[str, Any]:
    """A request that draws from the process's states, at each step."""
    given = arguments(FAMILIES[name], pipe, seed=seed, steps=6)
    return {**given, "generator": None, "callback_on_step_end": _noise}


def _noise(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    return {"latents": tensors["latents"] + 0.1 * torch.randn(tensors["latents"].shape)}


def test_each_keeps_its_seeds() -> None:
    pipes = {name: FAMILIES[name].build() for name in ("sd15", "sd3")}
    expected = {}
    for name, pipe in pipes.items():
        with Engine({name: pipe}) as engine:
            expected[name] = [engine.submit(seed=seed, **drawing(name, pipe, seed)).result(60) for seed in range(3)]
    before = torch.get_rng_state()
    with Engine({"sd15": pipes["sd15"]}) as one, Engine({"sd3": pipes["sd3"]}) as other:
        engines = {"sd15": one, "sd3": other}
        jobs = [
            (name, seed, engines[name].submit(seed=seed, **drawing(name, pipes[name], seed)))
            for seed in range(3)
            for name in pipes
        ]
        for name, seed, job in jobs:
            assert difference(expected[name][seed], job.result(60)) < 1e-5
    assert torch.get_rng_state().equal(before)


def test_who_is_alone_in_its_engine_lets_another_engine_have_turns() -> None:
    pipes = {name: FAMILIES[name].build() for name in ("pixart", "sd3")}
    begun = threading.Event()

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        begun.set()

    with Engine({"pixart": pipes["pixart"]}) as one, Engine({"sd3": pipes["sd3"]}) as other:
        given = arguments(FAMILIES["pixart"], pipes["pixart"], steps=1000)
        long = one.submit(**given, callback=callback)
        assert begun.wait(60)
        other.submit(**arguments(FAMILIES["sd3"], pipes["sd3"], steps=3)).result(60)
        assert long.state == "running"
        long.cancel()


def test_what_callbacks_take_counts_as_their_users() -> None:
    pipe = FAMILIES["pixart"].build()

    def slow(step: int, timestep: Any, latents: torch.Tensor) -> None:
        threading.Event().wait(0.05)

    with Engine({"pixart": pipe}) as engine:
        job = engine.submit(**arguments(FAMILIES["pixart"], pipe, steps=4), callback=slow)
        job.result(60)
        assert job.progress.seconds >= 4 * 0.05


@pytest.mark.parametrize("name", ["sd15"])
def test_decoders_that_are_handed_generators_decode_together(name: str) -> None:
    pipe = FAMILIES[name].build()
    requests = [{**arguments(FAMILIES[name], pipe, seed=seed, steps=2), "output_type": "np"} for seed in range(3)]
    expected = [pipe(**{**given, "generator": torch.Generator().manual_seed(5)}) for given in requests]
    with Engine({name: pipe}) as engine:
        with engine._loop.change:
            jobs = [engine.submit(**{**given, "generator": torch.Generator().manual_seed(5)}) for given in requests]
        for one, job in zip(expected, jobs, strict=True):
            assert difference(one, job.result(60)) < 5e-5
        assert engine.figures.together == engine.figures.calls

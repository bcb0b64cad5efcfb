"""Memory that is short: batches are split, requests begin anew under tighter plans, and then fail by themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evocache import apply
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns import batches
from tests.serve.calls import difference
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments

PIXART = FAMILIES["pixart"]


@pytest.fixture(scope="module")
def pipe() -> Any:
    found = PIXART.build()
    found.set_progress_bar_config(disable=True)
    return found


def asked(pipe: Any, **settings: Any) -> dict[str, Any]:
    return arguments(PIXART, pipe, **{"steps": 4, **settings})


@pytest.mark.parametrize("what", ["none", "fora:2", "fastercache:2,0.5,0,2"])
@pytest.mark.parametrize("stage", ["encode", "denoise", "decode"])
def test_a_batch_that_memory_is_short_for_is_split(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, stage: str, what: str
) -> None:
    """Four at once are too many, two are not; what four took and stored is given back."""
    whole, sizes = batches.compute_together, []

    def short(lanes: Any, given: Any, proven: Any) -> Any:
        outputs = whole(lanes, given, proven)
        if lanes[0].stage == stage:
            sizes.append(len(lanes))
            if len(lanes) > 2:
                raise torch.OutOfMemoryError("too little")
        return outputs

    with apply(pipe, what):
        expected = [pipe(**asked(pipe, seed=seed, steps=5)) for seed in range(4)]
    monkeypatch.setattr(batches, "compute_together", short)
    with Engine({"pixart": pipe}) as engine:
        jobs = [engine.submit(what=what, **asked(pipe, seed=seed, steps=5)) for seed in range(4)]
        for one, job in zip(expected, jobs, strict=True):
            assert difference(one, job.result(60)) < 1e-5
        assert engine.figures.split >= 1
        assert engine.figures.failed == 0
    assert 2 in sizes
    assert any("memory was short" in note for job in jobs for note in job.notes)

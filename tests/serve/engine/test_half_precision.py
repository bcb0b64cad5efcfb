"""In half precision company costs at most twice what the host's own batch of that size does."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any

import pytest
import torch

from evocache import apply
from evocache.serve.engine.engine import Engine
from tests.serve.calls import tensors
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.arguments import arguments

REQUESTS = 3

CASES = [
    ("pixart", torch.bfloat16, "fora:2"),
    ("sd15", torch.bfloat16, "deepcache:2"),
    ("flux", torch.bfloat16, "steps:0,2"),
    ("wan", torch.bfloat16, "fora:2"),
    ("sd3", torch.float16, "none"),
    ("sdxl", torch.float16, "deepcache:2"),
    ("cogvideox", torch.bfloat16, "none"),
    ("qwenimage", torch.bfloat16, "fora:2"),
]


def apart(expected: list[torch.Tensor], found: list[torch.Tensor]) -> float:
    """The norm of the difference of what several requests gave, relative to that of the first."""
    one, other = (torch.cat([each.float().flatten() for each in them]) for them in (expected, found))
    assert bool(one.isfinite().all())
    return float((one - other).norm() / one.norm())


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")  # of so few steps some schedules reuse nothing
@pytest.mark.table("case", family=lambda case: FAMILY_OF[case[0]])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{str(case[1])[6:]}-{case[2]}")
def test_half_precision_in_company(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both from the requests alone, and from what they are in float32: one call with all prompts is the measure."""
    monkeypatch.setattr(logging.getLogger("diffusers"), "disabled", True)  # which modules are better in float32
    name, dtype, what = case
    tiny = FAMILIES[name]
    pipe = tiny.build()
    pipe.set_progress_bar_config(disable=True)
    requests = [{**arguments(tiny, pipe, seed=seed), "output_type": "latent"} for seed in range(REQUESTS)]
    batch = deepcopy(requests[0])
    for prompts in {"prompt", "negative_prompt"} & batch.keys():
        batch[prompts] = [batch[prompts]] * REQUESTS
    batch["generator"] = [deepcopy(given["generator"]) for given in requests]
    with apply(pipe, what):
        truth = [tensors(pipe(**deepcopy(given)))[0] for given in requests]
    pipe.to(dtype)
    with apply(pipe, what):
        alone = [tensors(pipe(**deepcopy(given)))[0] for given in requests]
        host = list(tensors(pipe(**batch))[0].chunk(REQUESTS))
    with Engine({"m": pipe}) as engine:
        jobs = [engine.submit(what=what, **deepcopy(given)) for given in requests]
        found = [tensors(job.result(300))[0] for job in jobs]
        figures = engine.figures
    assert figures.together > figures.calls / 2, figures.alone
    assert apart(alone, found) <= 2 * apart(alone, host)
    assert 0 < apart(truth, found) <= 2 * apart(truth, host)

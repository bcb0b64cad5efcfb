"""Dry runs follow denoisers that go by values: masks that select tokens, sizes in tensors, experts."""

from __future__ import annotations

import pytest

from evocache import discover
from evocache.runtime.estimate.dry_run import dry_run
from tests.pipelines import ROWS

BY_VALUES = ["GlmImagePipeline", "HiDreamImagePipeline", "HunyuanImagePipeline", "Lumina2Pipeline"]
BY_VALUES += ["NucleusMoEImagePipeline", "QwenImageEditPlusPipeline", "HunyuanVideoFramepackPipeline"]


@pytest.mark.parametrize("name", BY_VALUES)
def test_each_denoiser_call_is_seen(name):
    row = next(row for row in ROWS if row.name == name)
    pipe = row.build()
    model = discover(pipe)
    (denoiser,) = model.denoisers
    run = dry_run(pipe, model, (), row.arguments())
    calls: list[int] = []
    handle = denoiser.module.register_forward_pre_hook(lambda *_: calls.append(1))
    row.run(pipe)
    handle.remove()
    assert len(run.calls(denoiser.name)) == len(calls) > 0

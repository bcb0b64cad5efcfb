"""Batches are generated as their prompts would be alone; an interrupted generation leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.policies import parse
from tests.tiny import FAMILIES

CASES = [("pixart", "fora:2"), ("pixart", "steps:0,2"), ("sd15", "fora:2"), ("sd15", "deepcache:2")]
PROMPTS = ["a red fox", "an owl", "a boat"]


@pytest.mark.parametrize(("name", "spec"), CASES)
@pytest.mark.parametrize("each", [1, 2])
def test_a_batch_is_what_its_prompts_are_alone(family, name, spec, each):
    """With a generator for each picture; kernels of other batch sizes round differently."""
    one = family(name)

    def call(prompts, seeds):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        negative = [one.tiny.name] * len(prompts)
        return one.call(prompt=prompts, negative_prompt=negative, generator=generators, num_images_per_prompt=each)

    with apply(one.pipe, spec) as handle:
        batch = call(PROMPTS, range(3 * each))
        executed, peak = handle.stats.executed, handle.stats.peak_cached_bytes
        assert len(batch) == 3 * each
        for i, prompt in enumerate(PROMPTS):
            alone = call([prompt], range(i * each, (i + 1) * each))
            assert np.abs(batch[i * each : (i + 1) * each] - alone).max() < 1e-4
            assert handle.stats.executed == executed
            assert 3 * handle.stats.peak_cached_bytes == peak > 0


@pytest.mark.parametrize(("name", "spec"), [("sd15", "deepcache:2"), ("flux", "fora:2"), ("flux", "steps:0,2")])
def test_an_interrupted_generation(family, name, spec):
    """What `pipe._interrupt` stops after two of four steps is what two steps gave; the next generation is fresh."""
    one, pipe = family(name), FAMILIES[name].build()
    seen = []

    def interrupt(pipe, step, timestep, tensors):
        seen.append(tensors["latents"].clone())
        pipe._interrupt = step == 1
        return tensors

    def watch(pipe, step, timestep, tensors):
        seen.append(tensors["latents"].clone())
        return tensors

    schedule = parse(spec).schedule(one.model.tree, 4)
    two = dict(zip([c.id for c in schedule.tree], schedule.executed[:2].sum(axis=0).tolist(), strict=True))
    with apply(pipe, spec) as handle:
        fresh = one.tiny.call(pipe, callback_on_step_end=watch)
        whole, seen = seen, []
        output = one.tiny.call(pipe, callback_on_step_end=interrupt)
        assert torch.equal(seen[1], whole[1])
        assert handle.stats.executed == two
        assert handle.stats.cached_bytes == 0
        assert not np.array_equal(output, fresh)
        assert np.array_equal(one.tiny.call(pipe), fresh)
    assert np.array_equal(one.tiny.call(pipe), one.reference)

"""The same gates as other packages have them: the same blocks run, and the same bits come out."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from evocache import apply
from tests.family import Family
from tests.runtime.support import counted
from tests.tiny import FAMILIES, KIND_OF

STEPS = 8


def blocks(one, ran):
    """How often each block ran, by a leaf of each: some hooks pass a block by from inside."""
    leaves = {c.parent: c.id for c in one.model.tree.components if c.is_leaf and c.block is not None}
    return [ran[id] for id in leaves.values()]


def ours(one, spec):
    """Output, and how often each block ran."""
    with apply(one.pipe, spec), counted(one) as ran:
        return one.call(steps=STEPS), blocks(one, ran)


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("name", ["flux", "cogvideox", "ltx", "wan", "mochi", "qwenimage", "hunyuan_video"])
def test_first_block_cache_is_that_of_diffusers(family, name, threshold):
    """Where two calls a step decide apart there (Wan, Qwen-Image), they happen to agree at these thresholds."""
    hooks = pytest.importorskip("diffusers.hooks")
    one = family(name)
    output, ran = ours(one, f"fbcache:{threshold}")
    denoiser = one.pipe.transformer
    denoiser.enable_cache(hooks.FirstBlockCacheConfig(threshold=threshold))
    try:
        with counted(one) as theirs:
            expected = one.call(steps=STEPS)
    finally:
        denoiser.disable_cache()
    assert np.array_equal(output, expected)
    assert blocks(one, theirs) == ran


CASES = [(0.3, 1, 0, 1, 0), (0.5, 1, 1, 2, 2), (0.4, 2, 0, 1, 1)]
"""Threshold, first and last blocks, warm-up, most steps in a row."""


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["flux", "cogvideox", "ltx", "pixart", "mochi"])
def test_dbcache_is_that_of_cache_dit(name):
    cache_dit = pytest.importorskip("cache_dit")
    for logger in [n for n in logging.root.manager.loggerDict if n.startswith("cache_dit")]:
        logging.getLogger(logger).setLevel(logging.ERROR)
    one = Family(FAMILIES[name])  # its own, since it is not given back as it was
    found = [ours(one, f"dbcache:{','.join(map(str, case))}") for case in CASES]
    for (threshold, first, last, warmup, most), (output, ran) in zip(CASES, found, strict=True):
        config = cache_dit.DBCacheConfig(
            Fn_compute_blocks=first,
            Bn_compute_blocks=last,
            residual_diff_threshold=threshold,
            max_warmup_steps=warmup,
            max_continuous_cached_steps=most or -1,
            num_inference_steps=STEPS,
        )
        cache_dit.enable_cache(one.pipe, cache_config=config)
        try:
            with counted(one) as theirs:
                expected = one.call(steps=STEPS)
        finally:
            cache_dit.disable_cache(one.pipe)
        assert blocks(one, theirs) == ran
        assert np.array_equal(output, expected)
    assert any(min(ran) < STEPS for _, ran in found)

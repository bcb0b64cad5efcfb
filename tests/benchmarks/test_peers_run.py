"""Every other cache works on the benchmark's model, is counted from outside, and leaves the pipeline as it was."""

import pytest
import torch

pytest.importorskip("cache_dit", reason="needs the extra peers")

from benchmarks.peers import cache_dit_caches, diffusers_caches, ours
from benchmarks.peers.contender import STEPS, Session
from benchmarks.peers.generate import Bench
from benchmarks.peers.watch import pristine

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SHARES = {
    "FirstBlockCache 0.6": (0.125, 0.5),
    "MagCache 0.06, at most 3, first 0.2": (0.4, 0.4),  # 4 steps, then one in four, as all ratios are 1
    "PyramidAttentionBroadcast 2/2 in 100-800": (0.7, 0.95),
    "TaylorSeer 3, order 1, first 3": (0.45, 0.45),
    "TaylorSeer lite 3, order 1, first 3": (0.45, 0.45),
    "TaylorSeer 3, its own patterns": (1.0, 1.0),
    "FasterCache 2/5 in -1-681": (0.5, 0.9),
    "cache-dit DBCache, mask 0,2,5,10,15": (0.34375, 0.34375),  # 5 steps, and a block of eight of the others
    "cache-dit DBCache + TaylorSeer 1, mask 0,2,5,10,15": (0.34375, 0.34375),
    "fora:4": (0.25, 0.25),
}
"""Least and most work, as a share of the uncached."""


@pytest.fixture(scope="module")
def bench():
    return Bench(prompts=2, batch=2)


@pytest.fixture(scope="module")
def uncached(bench):
    return bench.all(Session())


@pytest.mark.parametrize("name", SHARES)
def test_peer_saves_work_and_is_undone(bench, uncached, name):
    everything = [
        *ours.policies(bench.pipe),
        *diffusers_caches.contenders([1.0] * STEPS),
        *cache_dit_caches.contenders(),
    ]
    contender = next(c for c in everything if c.name == name)
    before, left = bench.fingerprint(), set()
    with pristine(bench.pipe, bench.pipe.transformer, left), contender.on(bench.pipe) as session:
        own = bench.all(session)
    least, most = SHARES[name]
    assert least - 1e-6 <= own.multiply_adds / uncached.multiply_adds <= most + 1e-6
    assert (own.peak_bytes > 0) == (most < 1)
    assert torch.equal(before, bench.fingerprint())


def test_magnitudes_are_read_from_what_the_calibration_prints(bench):
    prompts = bench.calibration_prompts
    ratios = diffusers_caches.calibrate_magnitudes(
        bench.pipe, lambda: bench.call(Session(), prompts, 0, STEPS, "latent")
    )
    assert len(ratios) == STEPS
    assert ratios[0] == 1.0
    assert all(0.5 < ratio < 2 for ratio in ratios)

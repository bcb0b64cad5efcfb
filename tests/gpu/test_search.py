"""Measuring and searching on a GPU: what is timed is waited for, and a small evolution proves what it finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evocache.evolve_run import evolve
from evocache.memory.hardware import machine
from evocache.metrics.clocks import clock_of
from evocache.model.probe import probe_pipeline
from evocache.runtime.estimate.residency import resident
from evocache.search.calibrate.calibrate import calibrate
from evocache.search.cost.hardware_rates import measure
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.optimise.settings import Settings
from evocache.validation.memory_peaks import _held
from evocache.validation.proof_file import read_proof
from tests.gpu.rig import nothing_left
from tests.test_evolve_run import CALL

pytestmark = pytest.mark.usefixtures("hasty")

PROMPTS = ["a cat", "a dog", "a red house"]

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="synchronisation is of a GPU")


@cuda
def test_clocks_wait_for_the_device(made):
    """A clock that is looked at has let everything finish that was launched before."""
    clock = clock_of(made("pixart").pipe)
    a = torch.randn(4096, 4096, device="cuda")
    done = torch.cuda.Event()
    for _ in range(50):
        a = (a @ a).clamp_(-1, 1)
    done.record()
    clock()
    assert done.query()


def test_the_machine_is_measured(device, note):
    found = machine(device)
    rates = measure(device, torch.bfloat16, 1 << 20)
    assert (rates.link, rates.launch) == (found.link, found.launch)
    assert set(rates.codings) == {"fp8", "int8"}
    assert all(0 < seconds < 1e-3 for pair in rates.codings.values() for seconds in pair)
    assert found.link > 1e6
    note(f"link {found.link / 1e9:.1f} GB/s, launch {found.launch * 1e6:.1f} us, codings {rates.codings}")


def test_components_are_probed(made):
    one = made("pixart")
    found = probe_pipeline(one.pipe, one.given, repeats=2)
    assert all(m.seconds is not None and m.seconds > 0 for m in found.measures.values())
    whole = found.measures["transformer"].seconds
    assert sum(m.seconds for id, m in found.measures.items() if id.count("/") == 1 and "[" not in id) <= 2 * whole


def test_calibration(made, device):
    one = made("pixart")
    evaluator = LocalEvaluator(one.pipe, Workload.of(PROMPTS, CALL, batch=2), quality("latent"))
    found = calibrate(evaluator, [0], repeats=1, schedules=(2, 1))
    assert found.steps == 6
    drift = found.drift["transformer/blocks[0:4]"]
    assert drift.shape == (6, 6)
    assert np.isfinite(drift).all()
    assert np.allclose(np.diag(drift), 0, atol=1e-5)
    assert (drift[np.triu_indices(6, 1)] > 0).all()
    with nothing_left(device):
        evaluator.uncached([0])
        evaluator.errors(found_schedule(evaluator), [0])


def found_schedule(evaluator):
    from evocache.policies import parse

    return parse("fora:2").schedule(evaluator.tree, evaluator.steps)


@cuda
def test_peaks_are_of_the_pipeline_alone(made, device):
    """What somebody else has on the device, such as a reward model, is not the pipeline's."""
    one = made("large wan")
    one.call()
    plain = _held(one.pipe, one.call)
    other = torch.zeros(64 << 20, dtype=torch.uint8, device=device)
    assert _held(one.pipe, one.call) == plain
    assert plain >= resident(one.pipe, device)
    del other


def test_a_small_evolution(made, device, tmp_path):
    one = made("pixart")
    settings = Settings(population=6, offspring=4, generations=1, prompts=2, rungs=(1,))
    with nothing_left(device):
        front = evolve(one.pipe, PROMPTS, call=CALL, out=tmp_path, settings=settings, batch=2)
    assert len(front) >= 2
    saved = read_proof(tmp_path)
    assert [p.schedule for p in saved.front] == [p.schedule for p in front]
    assert all(np.isfinite(p.measured["speedup"]) for p in front)
    assert np.array_equal(one.call(), one.reference)


@cuda
def test_an_evolution_that_counts_memory(made, device, tmp_path):
    one = made("pixart")
    settings = Settings(population=6, offspring=4, generations=1, prompts=2, rungs=(1,))
    objectives = ("latency", "peak")
    front = evolve(one.pipe, PROMPTS, call=CALL, out=tmp_path, settings=settings, batch=2, objectives=objectives)
    assert len(front) >= 2
    assert all(p.measured["peak"] > resident(one.pipe, device) for p in front)

"""The front that comes with the trained model: it fits the model, and does what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import zoo
from evocache.model import discover
from evocache.schedule.front import Front
from evocache.search.evaluate import LocalEvaluator
from evocache.search.quality import quality
from evocache.search.workload import Workload
from evocache.zoo.prompts import sample_prompts

FOUND = zoo.find("zoo:emoji")


@pytest.fixture(scope="module")
def pipe():
    return zoo.load(FOUND.name)


def test_it_was_made_for_the_model(pipe):
    front = Front.load(FOUND.front)
    assert front.uncached_steps == FOUND.call_defaults["num_inference_steps"]
    for point in front:
        assert point.schedule.tree.structure == discover(pipe).tree.structure
        if 1.5 < point.measured["speedup"] < 3:  # beyond, fewer steps are as good on this model
            assert point.measured["quality"] > point.measured["fewer steps quality"]


@pytest.mark.parametrize("speedup", [2.0, 3.0])
def test_a_point_is_as_near_to_the_uncached_output_as_it_says(pipe, speedup):
    point = Front.load(FOUND.front).pick(speedup=speedup)
    prompts = sample_prompts(8, seed=7, held_out=True)
    evaluator = LocalEvaluator(pipe, Workload.of(prompts, FOUND.call_defaults, batch=8), quality("latent"))
    evaluator.references(range(8))
    errors = evaluator.errors(point.schedule, range(8))
    low, high = point.measured["quality q1"], point.measured["quality q3"]
    assert -np.median(errors) > low - (high - low)

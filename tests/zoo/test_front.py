"""The front that comes with the trained model: it fits the model, and does what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import zoo
from evocache.model import discover
from evocache.schedule.front.comparison import FEWER
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.validation.contender import Contender
from evocache.validation.dominated import find_dominated
from evocache.validation.proof_file import read_proof
from evocache.validation.validate import add_equal_time
from evocache.zoo.prompts import is_held_out, parse, sample_prompts

FOUND = zoo.find("zoo:emoji")


@pytest.fixture(scope="module")
def pipe():
    return zoo.load(FOUND.name)


def test_it_was_made_for_the_model(pipe):
    front = Front.load(FOUND.front)
    assert front.uncached_steps == FOUND.call_defaults["num_inference_steps"]
    for point in front:
        assert point.schedule.tree.structure == discover(pipe).tree.structure


def shipped():
    """The proofs that come with the embedded models."""
    return [read_proof(zoo.find(name).front) for name in zoo.names() if zoo.find(name).front.is_file()]


def test_no_point_is_beaten_by_what_the_file_itself_holds_it_against():
    assert shipped()
    for proof in shipped():
        rivals = [Contender(name, "front", 0.5, point) for name, point in zip(proof.names, proof.front, strict=True)]
        known = {name: dict(point.measured) for name, point in zip(proof.names, proof.front, strict=True)}
        for name, baseline in proof.baselines.items():
            known[name] = dict(baseline.measured)
            if baseline.group == "steps":
                rivals.append(Contender(name, "steps", 0.5, steps=int(name.split()[0])))
            elif baseline.schedule is not None:
                rivals.append(Contender(name, "seed", 0.5, Point(baseline.schedule, {})))
        add_equal_time(rivals, known)
        for name, point in zip(proof.names, proof.front, strict=True):
            assert known[name].get(FEWER) == point.measured.get(FEWER) or point.schedule.is_full
        assert find_dominated(rivals, {}, known) == {}
        assert all(point.sold for point in proof.front)
        assert {b.group for b in proof.baselines.values()} >= {"beaten", "seed", "steps", "uncached"}


def test_it_says_what_was_held_out_and_that_the_machine_was_busy():
    (proof,) = shipped()
    assert proof.basis.held_out == "prompts"
    assert all(is_held_out(*parse(prompt)) for prompt in proof.pictures.prompts)
    assert any("the timing was disturbed" in said for said in proof.noise)  # until it is evolved anew


@pytest.mark.parametrize("speedup", [2.0, 3.0])
def test_a_point_is_as_near_to_the_uncached_output_as_it_says(pipe, speedup):
    point = Front.load(FOUND.front).pick(speedup=speedup)
    prompts = sample_prompts(8, seed=7, held_out=True)
    evaluator = LocalEvaluator(pipe, Workload.of(prompts, FOUND.call_defaults, batch=8), quality("latent"))
    evaluator.references(range(8))
    errors = evaluator.errors(point.schedule, range(8))
    low, high = point.measured["quality q1"], point.measured["quality q3"]
    assert -np.median(errors) > low - (high - low)

"""Attributes are given back as they were, in the same containers."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
from torch import nn

from evocache import discover
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.restored_attributes import restore_attributes
from tests.pipelines import ROWS

PERTURBED = ["StableDiffusionPAGPipeline", "SanaPAGPipeline"]


class Thing:
    """Holds one of each."""

    def __init__(self) -> None:
        self.number = 1
        self.steps = [1, 2]
        self.hooks = OrderedDict(a=1, b=2)
        self.names = {"x"}


def changed(thing: Thing) -> None:
    """Change all that it holds."""
    thing.number = 2
    thing.steps.append(3)
    thing.hooks["c"] = thing.hooks.pop("a")
    thing.names.add("y")
    thing.more = True


def test_all_that_changed_is_as_before_in_the_same_containers():
    thing = Thing()
    before, held = copy.deepcopy(vars(thing)), dict(vars(thing))
    with restore_attributes([thing]):
        changed(thing)
    assert vars(thing) == before
    assert list(vars(thing)) == list(before)
    assert list(thing.hooks) == ["a", "b"]
    assert all(vars(thing)[name] is value for name, value in held.items())


def test_what_was_taken_away_is_given_back_after_an_error():
    thing = Thing()

    def fail() -> None:
        with restore_attributes([thing]):
            del thing.number
            thing.steps = []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert vars(thing) == vars(Thing())


def test_a_module_that_was_exchanged_is_given_back():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    first, second = model
    with restore_attributes(model.modules()):
        model[0] = nn.Identity()
        model.append(nn.ReLU())
    assert list(model) == [first, second]


@pytest.mark.parametrize("name", PERTURBED)
def test_a_dry_run_leaves_the_processors_that_the_call_would_have_put_back(name):
    """Perturbed attention sets processors in its call and puts the model's own back in its last line."""
    row = next(row for row in ROWS if row.name == name)
    pipe = row.build()
    model = discover(pipe)
    (denoiser,) = model.denoisers
    before = {name: id(processor) for name, processor in denoiser.module.attn_processors.items()}
    dry_run(pipe, model, (), row.arguments())
    after = denoiser.module.attn_processors
    assert {name: id(processor) for name, processor in after.items()} == before

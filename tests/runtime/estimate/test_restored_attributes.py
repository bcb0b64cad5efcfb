"""Attributes are given back as they were, in the same containers."""

from __future__ import annotations

import copy
import sys
from collections import OrderedDict
from types import FrameType
from typing import Any

import pytest
from torch import nn

from evocache import discover
from evocache.runtime.estimate import restored_attributes
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


def test_what_stays_is_there_at_every_moment_of_the_restoring(monkeypatch):
    """Another thread may run between any two instructions, and read an attribute then."""
    thing = Thing()
    first, second = thing.hooks["a"], thing.hooks["b"]
    missing: list[str] = []
    seen = 0

    def look(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename != restored_attributes.__file__:
            return None
        frame.f_trace_opcodes = True
        seen += 1
        found = {
            "attributes": {"number", "steps", "hooks", "names"} <= vars(thing).keys(),
            "hooks": {"a", "b"} <= thing.hooks.keys(),
            "names": "x" in thing.names,
        }
        missing.extend(name for name, whole in found.items() if not whole)
        return look

    before = sys.gettrace()
    with restore_attributes([thing]):
        changed(thing)
        thing.number = vars(thing).pop("number")  # in another order
        thing.hooks["a"] = thing.hooks.pop("c")
        sys.settrace(look)
    sys.settrace(before)
    assert seen > 100
    assert missing == []
    assert list(vars(thing)) == ["number", "steps", "hooks", "names"]
    assert [*thing.hooks.items()] == [("a", first), ("b", second)]
    assert thing.names == {"x"}


def test_attributes_of_ours_belong_to_whoever_set_them():
    """A generation of another thread may set or delete one at any time."""
    thing: Any = Thing()
    thing._evocache_kept = thing._evocache_gone = 1
    with restore_attributes([thing]):
        thing._evocache_kept = 2
        thing._evocache_new = 3
        del thing._evocache_gone
        thing.more = True
    ours = {name: value for name, value in vars(thing).items() if name.startswith("_evocache")}
    assert ours == {"_evocache_kept": 2, "_evocache_new": 3}
    assert not hasattr(thing, "more")


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

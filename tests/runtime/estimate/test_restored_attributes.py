"""Attributes are given back as they were, in the same containers."""

from __future__ import annotations

import copy
import functools
import sys
from collections import OrderedDict
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

from evocache import discover
from evocache.memory.offload.stage_offload import Offload
from evocache.runtime.estimate import restored_attributes
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.measure import describe_stages
from evocache.runtime.estimate.restored_attributes import restore_attributes, restore_random_numbers
from tests.pipelines import ROWS
from tests.tiny import FAMILIES

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


def hang(module: nn.Module) -> Offload:
    """Offload a module, as another thread may do."""
    return Offload({"part": module}, {"part": ("denoise",)}, torch.device("cpu"))


@pytest.mark.parametrize("own", [True, False])
def test_hooks_of_offloading_come_and_go_with_it(own):
    """Nothing of them is put back or taken off; what others put on the module is."""
    came, went, stays = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
    if own:
        for module in (came, went, stays):
            module.forward = functools.partial(nn.Linear.forward, module)  # type: ignore[method-assign]
    offload, kept = hang(went), hang(stays)
    hooked, forward = dict(vars(stays)), vars(came).get("forward")
    with restore_attributes([came, went, stays]):
        new = hang(came)
        offload.remove()
        stays.forward = lambda x: x  # type: ignore[method-assign]
        came.more = went.more = True
    names = {"_hf_hook", "_old_forward"}
    assert names <= vars(came).keys()
    assert not names & vars(went).keys()
    assert ("forward" in vars(went)) == own
    assert vars(stays) == hooked
    assert not hasattr(came, "more")
    assert not hasattr(went, "more")
    new.remove()
    kept.remove()
    assert vars(came).get("forward") is forward
    assert ("forward" in vars(stays)) == own


def test_hooks_of_a_pipeline_are_given_back_and_taken_off_and_ours_are_not():
    pipe = FAMILIES["sd15"].build()
    module, stack = pipe.unet, ExitStack()
    theirs = module.register_forward_pre_hook(lambda *_: None)
    ours = ExitStack()
    ours.enter_context(describe_stages(pipe, discover(pipe), lambda stage: None))
    with restore_attributes(module.modules()):
        theirs.remove()
        module.register_forward_pre_hook(lambda *_: None)
        ours.close()
        stack.enter_context(describe_stages(pipe, discover(pipe), lambda stage: None))
    assert [hook.__module__.partition(".")[0] for hook in module._forward_pre_hooks.values()] == ["evocache", "tests"]
    stack.close()
    assert list(module._forward_pre_hooks) == [theirs.id]


def test_generators_are_as_before_the_first_of_contexts_that_overlap():
    before = torch.get_rng_state()
    first, second = restore_random_numbers([]), restore_random_numbers([])
    first.__enter__()
    torch.rand(1)
    second.__enter__()
    torch.rand(1)
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert torch.equal(torch.get_rng_state(), before)
    with restore_random_numbers([]):
        torch.rand(1)
    assert torch.equal(torch.get_rng_state(), before)


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

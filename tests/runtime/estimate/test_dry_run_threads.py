"""What other threads do to a pipeline in the middle of a dry run of it is neither undone nor done again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from evocache import apply, discover, plan_memory
from evocache.memory.offload.shared_offload import offloads_of
from evocache.memory.planner.planner import MemoryPlan
from evocache.runtime.attach.accelerated_class import acceleration
from evocache.runtime.attach.subclasses import plain
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.measure import describe_stages
from tests.runtime.estimate.test_dry_run import given
from tests.runtime.stepped import COPIES, FIRST, generate, nothing_stays
from tests.runtime.test_two_generations import Given
from tests.tiny import FAMILIES

OFFLOADING = MemoryPlan(None, {}, offload={"unet": ("denoise",)})


@pytest.fixture(scope="module")
def pipe() -> Any:
    return FAMILIES["sd15"].build()


@pytest.fixture(autouse=True)
def clean(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing stays on the pipeline; the CPU stands for a device."""
    monkeypatch.setattr(sys.modules["evocache.runtime.apply"], "_movable", lambda pipe, plan: None)
    with nothing_stays(pipe):
        yield


def in_the_middle(monkeypatch: pytest.MonkeyPatch, pipe: Any, action: Callable[[], Any]) -> None:
    """Do something in another thread in the middle of a dry run of a copy of a pipeline, which it does not wait for."""
    twin, done, failed, in_time = COPIES["a shallow copy"](pipe), threading.Event(), [], []
    check = twin.check_inputs

    def act() -> None:
        try:
            action()
        except BaseException as error:
            failed.append(error)
        done.set()

    thread = threading.Thread(target=act)

    def wait(*args: Any, **kwargs: Any) -> None:
        thread.start()
        in_time.append(done.wait(30))
        check(*args, **kwargs)

    monkeypatch.setitem(twin.__dict__, "check_inputs", wait)
    dry_run(twin, discover(pipe), (), given(Given(pipe)))
    thread.join()
    assert failed == []
    assert in_time == [True]


def test_a_generation_that_begins_to_be_weighed_is_weighed(pipe, monkeypatch):
    with ExitStack() as stack:
        weighed = describe_stages(pipe, discover(pipe), lambda stage: None)
        in_the_middle(monkeypatch, pipe, lambda: stack.enter_context(weighed))
        assert len(pipe.unet._forward_pre_hooks) == 1
    assert not pipe.unet._forward_pre_hooks


def test_a_generation_that_was_weighed_leaves_no_hook(pipe, monkeypatch):
    stack = ExitStack()
    stack.enter_context(describe_stages(pipe, discover(pipe), lambda stage: None))
    in_the_middle(monkeypatch, pipe, stack.close)
    assert not pipe.unet._forward_pre_hooks


def test_components_that_are_offloaded_stay_so(pipe, monkeypatch):
    expected, found = generate(pipe, **FIRST), []
    in_the_middle(monkeypatch, pipe, lambda: found.append(apply(pipe, "none", memory=OFFLOADING)))
    (offload,) = offloads_of(pipe)
    assert np.array_equal(generate(pipe, **FIRST), expected)
    assert offload.there == ()
    found[0].remove()
    assert offloads_of(pipe) == []


def test_components_that_come_back_for_good_are_left_no_hook(pipe, monkeypatch):
    expected = generate(pipe, **FIRST)
    handle = apply(pipe, "none", memory=OFFLOADING)
    in_the_middle(monkeypatch, pipe, handle.remove)
    assert offloads_of(pipe) == []
    assert not {"forward", "_hf_hook"} & pipe.unet.__dict__.keys()
    assert np.array_equal(generate(pipe, **FIRST), expected)


def test_calls_of_other_pipelines_that_are_offloaded_go_on(pipe, monkeypatch):
    other = FAMILIES["sd15"].build()
    expected, found = generate(other, **FIRST), []
    with apply(other, "none", memory=OFFLOADING):
        in_the_middle(monkeypatch, pipe, lambda: found.append(generate(other, **FIRST)))
    assert np.array_equal(found[0], expected)


@pytest.mark.parametrize("offload", [{}, {"text_encoder": ("encode",), "unet": ("denoise",)}])
def test_a_pipeline_may_wait_for_a_thread_that_calls_a_component(pipe, offload):
    """It encodes beside other work. The dry run answers for the components in its own thread alone."""
    cls = type(pipe)

    class Encoding(cls):  # type: ignore[misc]
        def encode_prompt(self, *args: Any, **kwargs: Any) -> Any:
            return pool.submit(super().encode_prompt, *args, **kwargs).result(30)

    expected = generate(pipe, **FIRST)
    with ThreadPoolExecutor(1) as pool:
        pipe.__class__ = Encoding
        try:
            with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=offload)):
                assert dry_run(pipe, discover(pipe), (), given(Given(pipe))).acts["denoise"]
                assert np.array_equal(generate(pipe, **FIRST), expected)
        finally:
            pipe.__class__ = cls


def test_copies_are_followed_in_turn(pipe, monkeypatch):
    """What the first changes on the components that they share is given back before the second looks at them."""
    twin, seen, threads = COPIES["a shallow copy"](pipe), [], []
    check, attention = pipe.check_inputs, pipe.unet.mid_block

    def follow() -> None:
        dry_run(twin, discover(pipe), (), given(Given(pipe)))

    def change(*args: Any, **kwargs: Any) -> None:
        attention.changed = True
        threads.append(threading.Thread(target=follow))
        threads[0].start()
        threads[0].join(0.3)
        check(*args, **kwargs)

    def look(*args: Any, **kwargs: Any) -> None:
        seen.append(hasattr(attention, "changed"))
        check(*args, **kwargs)

    monkeypatch.setitem(pipe.__dict__, "check_inputs", change)
    monkeypatch.setitem(twin.__dict__, "check_inputs", look)
    dry_run(pipe, discover(pipe), (), given(Given(pipe)))
    threads[0].join()
    assert seen == [False]
    assert not hasattr(attention, "changed")


@pytest.mark.parametrize("weights", ["there", "on the meta device"])
@pytest.mark.parametrize("first", ["plain", "accelerated"])
def test_a_pipeline_that_is_accelerated_or_given_back_is_so(pipe, monkeypatch, first, weights):
    """The very pipeline is planned for in one thread, while another applies something or removes it."""
    if weights != "there":
        pipe = FAMILIES["sd15"].build().to("meta")
    handles = [apply(pipe, "fora:2")] if first == "accelerated" else []
    done = threading.Event()

    def act() -> None:
        if handles:
            handles[0].remove()
        else:
            handles.append(apply(pipe, "fora:2"))
        done.set()

    thread, check = threading.Thread(target=act), pipe.check_inputs

    def wait(*args: Any, **kwargs: Any) -> None:
        thread.start()
        assert done.wait(30)
        check(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setitem(pipe.__dict__, "check_inputs", wait)
        plan_memory(pipe, given(Given(pipe)))
        thread.join()
    assert (acceleration(pipe) is not None) == (first == "plain")
    assert ("_evocache" in pipe.__dict__) == (first == "plain")
    if weights == "there":
        generate(pipe, **FIRST)
    handles[0].remove()
    assert type(pipe) is plain(pipe)

"""Two generations that are open at once, of one pipeline or of copies that share its modules, do not affect each other.

They are stepped in turn: calls in threads that wait for each other, loops in generators, a call in a callback.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from evocache import Handle, apply
from evocache.errors import GenerationError
from evocache.memory.offload import shared_offload
from evocache.memory.planner.planner import MemoryPlan
from evocache.memory.tiers import tier_lending
from tests.runtime.estimate.test_dry_run import given as arguments
from tests.runtime.loops import streamed
from tests.runtime.stepped import COPIES, FIRST, SECOND, Stepped, generate, nothing_stays, stepped, take_turns
from tests.tiny import FAMILIES

SPECS = {
    "leaves": {"what": "fora:2"},
    "deep": {"what": "deepcache:2"},
    "gate": {"what": "fbcache:0.3"},
    "coded": {"what": "taylorseer:2,1", "storage": "int8"},
    "weighed": {"what": "fora:2", "measure": True},
    "parked": {"what": "fora:2"},
}
"""What is applied. Plans that park are told the sizes of features by `applied`."""


@pytest.fixture(scope="module")
def pipe() -> Any:
    """Its scheduler keeps nothing between steps, so that loops of as many steps may share it."""
    return FAMILIES["sd15"].build()


@pytest.fixture(autouse=True)
def clean(pipe: Any) -> Iterator[None]:
    with nothing_stays(pipe):
        yield


def parking(pipe: Any, what: str, run: Callable[[], object]) -> MemoryPlan:
    """A plan that parks all features."""
    with apply(pipe, what) as handle:
        run()
        branches = handle._latest.record.branches
    return MemoryPlan(None, {}, capacity=0, ahead=1, features={b.denoiser: dict(b.sizes) for b in branches})


def applied(pipe: Any, spec: str) -> Handle:
    settings = SPECS[spec]
    if spec == "parked":
        settings = {**settings, "memory": parking(pipe, settings["what"], lambda: generate(pipe, steps=2))}
    return apply(pipe, **settings)


CASES = [(spec, "a shallow copy") for spec in SPECS]
CASES += [(spec, of) for spec in ("parked", "weighed") for of in ("one pipeline", "from_pipe")]


def figures(handle: Handle) -> tuple[Any, ...]:
    found = handle.stats
    return found.executed, found.calls, found.peak_cached_bytes, found.moved_bytes, found.stages, found.cached_bytes


@pytest.mark.parametrize(("spec", "of"), CASES)
def test_calls_that_take_turns(pipe, spec, of):
    """The one that began first may end last; what a handle says is of the one that began last."""
    twin = COPIES[of](pipe)
    one = applied(pipe, spec)
    other = one if twin is pipe else applied(twin, spec)
    expected = [generate(pipe, **FIRST)]
    alone = [figures(one)]
    expected.append(generate(twin, **SECOND))
    alone.append(figures(other))
    assert all((found[3] > 0) == (spec == "parked") for found in alone)
    for swapped in (False, True):
        calls = [stepped(pipe, **FIRST), stepped(twin, **SECOND)]
        next(calls[0])
        next(calls[1])
        if swapped:
            calls[1].finish()
        found = take_turns(*calls)
        for output, whole in zip(found, expected, strict=True):
            assert np.array_equal(output, whole)
        assert figures(other) == alone[1]
        assert one is other or figures(one) == alone[0]
        assert one._latest.record.store.features == other._latest.record.store.features == 0
    tiers = {handle._state.tiers.tier for handle in (one, other)} - {None}
    assert (len(tiers) > 0) == (spec == "parked")
    one.remove()
    other.remove()
    assert all(tier._file.closed for tier in tiers)


@pytest.mark.parametrize("spec", ["leaves", "gate", "weighed", "parked"])
def test_a_call_in_a_callback(pipe, spec):
    """The copy generates in the middle of the other's generation."""
    twin = COPIES["a shallow copy"](pipe)
    with applied(pipe, spec) as one, applied(twin, spec) as other:
        expected, within = generate(pipe, **FIRST), []
        alone = figures(one)
        inner, by_itself = generate(twin, **SECOND), figures(other)

        def callback(_: Any, step: int, timestep: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
            if step in (0, 1):
                within.append(generate(twin, **SECOND))
            return kwargs

        assert np.array_equal(generate(pipe, callback_on_step_end=callback, **FIRST), expected)
        assert len(within) == 2
        assert all(np.array_equal(output, inner) for output in within)
        assert figures(other) == by_itself
        if spec == "weighed":  # what the callback holds is held in the middle of it
            assert figures(one)[:4] == alone[:4]
            assert figures(one)[4]["denoise"].bytes >= alone[4]["denoise"].bytes
        else:
            assert figures(one) == alone


@pytest.mark.parametrize("spec", ["gate", "weighed", "parked"])
def test_threads_that_wait_for_nobody(pipe, spec):
    """Copies that run at once, each again and again under what was applied to it."""
    pipes = [pipe, *(COPIES["a shallow copy"](pipe) for _ in range(2))]
    for each in pipes:
        each.tokenizer = copy.deepcopy(each.tokenizer)  # which keeps how the latest call pads
    handles = [applied(each, spec) for each in pipes]
    expected = [generate(each, seed=seed, steps=3) for seed, each in enumerate(pipes)]
    alone, wrong, start = [figures(handle) for handle in handles], [], threading.Barrier(3)

    def run(number: int) -> None:
        start.wait()
        for _ in range(2):
            try:
                if not np.array_equal(generate(pipes[number], seed=number, steps=3), expected[number]):
                    wrong.append((number, "output"))
                if figures(handles[number])[:4] != alone[number][:4]:
                    wrong.append((number, "figures"))
            except Exception as error:
                wrong.append((number, repr(error)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for handle in handles:
        handle.remove()
    assert wrong == []


@pytest.mark.parametrize("of", COPIES)
def test_calls_of_different_sizes_under_one_budget(pipe, of):
    """Each follows a plan of its own: the larger one parks, the other does not."""
    twin = COPIES[of](pipe)
    sizes = [{"height": 64, "width": 64, "seed": 2, "steps": 3}, SECOND]
    with apply(pipe, "fora:2") as handle:
        plan = handle.plan(**{**arguments(Given(pipe)), "height": 64, "width": 64, "num_inference_steps": 3})
    budget = plan.peak - 1
    one = apply(pipe, "fora:2", memory=budget)
    other = one if twin is pipe else apply(twin, "fora:2", memory=budget)
    expected, plans = [], []
    for handle, each, size in zip((one, other), (pipe, twin), sizes, strict=True):
        expected.append(generate(each, **size))
        plans.append(handle.memory)
    assert plans[0] != plans[1]
    assert any(plans[0].cuts.values()) or plans[0].capacity is not None
    calls = [stepped(each, **size) for each, size in zip((pipe, twin), sizes, strict=True)]
    for output, whole in zip(take_turns(*calls), expected, strict=True):
        assert np.array_equal(output, whole)
    assert other.memory is plans[1]
    one.remove()
    other.remove()


class Given:
    """What `arguments` asks of a family."""

    def __init__(self, pipe: Any, name: str = "sd15") -> None:
        self.pipe, self.tiny = pipe, FAMILIES[name]


def test_a_generation_that_ends_while_a_call_is_planned_leaves_nothing(pipe, monkeypatch):
    """Planning gives components their attributes back, and not those that were another generation's."""
    twin = COPIES["a shallow copy"](pipe)
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()
    check = twin.check_inputs

    def generation() -> None:
        with one.generation():
            begun.set()
            assert end.wait(60)
        ended.set()

    def wait(*args: Any, **kwargs: Any) -> None:
        end.set()
        ended.wait(0.2)
        check(*args, **kwargs)

    with apply(pipe, "fora:2") as one, apply(twin, "fora:2") as other:
        thread = threading.Thread(target=generation)
        thread.start()
        assert begun.wait(60)
        monkeypatch.setitem(twin.__dict__, "check_inputs", wait)
        other.plan(**arguments(Given(pipe)))
        thread.join()
    assert not {"encode", "decode"} & pipe.vae.__dict__.keys()


def test_a_generation_is_entered_once(pipe):
    with apply(pipe, "fora:2") as handle:
        generation = handle.generation()
        with generation:
            with pytest.raises(GenerationError, match="has begun"):
                generation.__enter__()
            assert handle._state.open == [generation.call]
        with pytest.raises(GenerationError, match=r"is over.*call handle\.generation\(\)"):
            generation.__enter__()


def test_a_tier_that_cannot_be_had_leaves_no_call_open(pipe, monkeypatch):
    def fail(self: Any, device: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(tier_lending.TierLending, "lend", fail)
    with apply(pipe, "fora:2", memory=MemoryPlan(None, {}, capacity=0)) as handle:
        with pytest.raises(OSError, match="no room"):
            generate(pipe, **FIRST)
        assert handle._state.open == shared_offload._open == []


def test_loops_that_take_turns_under_plans_of_their_own():
    """Each follows the plan that the handle had as it was opened."""
    pipe = FAMILIES["pixart"].build()
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    parks = parking(pipe, "fora:2", lambda: FAMILIES["pixart"].call(pipe, guidance=False))
    handle = apply(pipe, "fora:2")
    expected = [[*streamed(handle, seed=seed)] for seed in (0, 1, 2)]
    figured = figures(handle)
    for order in ((0, 1, 2), (2, 0, 1)):
        loops = []
        for seed, plan in enumerate((parks, None, replace(parks, ahead=0))):
            handle.memory = plan
            loops.append(streamed(handle, seed=seed))
            first = next(loops[-1])
            assert torch.equal(first, expected[seed][0])
        for step in range(1, 4):
            for number in order:
                assert torch.equal(next(loops[number]), expected[number][step])
        assert handle.stats.moved_bytes > 0
        assert handle.stats.executed == figured[0]
        tier = handle._state.tiers.tier
        for number in order:
            assert not tier._file.closed
            assert next(loops[number], None) is None
        assert handle.stats.cached_bytes == 0
    handle.remove()
    assert tier._file.closed
    assert not handle._state.open


def test_films_that_take_turns(tmp_path):
    pipe = FAMILIES["animatediff"].build()
    twin = COPIES["a shallow copy"](pipe)
    own = arguments(Given(pipe, "animatediff"))

    def filmed(handle: Handle, name: str, scale: float, **more: Any) -> int:
        seeded = {**own, "generator": torch.Generator().manual_seed(0), "guidance_scale": scale, **more}
        return handle.film(tmp_path / name, **seeded)

    with apply(pipe, "fora:2") as one, apply(twin, "fora:2") as other:
        filmed(one, "one", 3.0)
        filmed(other, "other", 1.0)
        counts = take_turns(
            Stepped(lambda callback: filmed(one, "a", 3.0, callback_on_step_end=callback)),
            Stepped(lambda callback: filmed(other, "b", 1.0, callback_on_step_end=callback)),
        )
    assert counts == [own["num_frames"]] * 2
    for whole, found in (("one", "a"), ("other", "b")):
        files = sorted(path.name for path in (tmp_path / whole).iterdir())
        assert files == sorted(path.name for path in (tmp_path / found).iterdir())
        assert all((tmp_path / whole / f).read_bytes() == (tmp_path / found / f).read_bytes() for f in files)
    assert (tmp_path / "a" / files[0]).read_bytes() != (tmp_path / "b" / files[0]).read_bytes()

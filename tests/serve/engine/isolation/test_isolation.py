"""States of the process and of threads, and what is changed in shared modules."""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from evocache.serve.engine.engine import Engine
from evocache.serve.engine.isolation.flags import read_flags
from evocache.serve.engine.isolation.global_state import GlobalState, StateSwap
from evocache.serve.engine.isolation.thread_state import Surroundings, thread_state
from tests.serve.calls import difference
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments

FLAG_CHANGES: dict[str, Callable[[], object]] = {
    "default type": lambda: torch.set_default_dtype(torch.float64),
    "determinism": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "TF32 of matmuls": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "filters": lambda: warnings.simplefilter("ignore"),
    "attention": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "cuDNN": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "TF32": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
    "half sums": lambda: setattr(torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False),
}


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_each_has_states_of_its_own_and_the_process_gets_its_back() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected_outside = [draw() for _ in range(2)]
    swap = StateSwap()
    alone = []
    for seed in (5, 6):
        state = GlobalState(swap, seed)
        state.enter()
        alone.append([draw() for _ in range(3)])
        state.end()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    assert draw() == expected_outside[0]
    one, other = GlobalState(swap, 5), GlobalState(swap, 6)
    found: list[list[tuple[float, float, float]]] = [[], []]
    for _ in range(3):
        for state, into in ((one, found[0]), (other, found[1])):
            state.enter()
            into.append(draw())
    one.end()  # which is not the process's now
    other.end()
    swap.take_back()
    assert found == alone
    assert draw() == expected_outside[1]


@pytest.mark.parametrize("change", FLAG_CHANGES)
def test_flags_are_a_generation_s_own(change: str) -> None:
    """A generation begins with what the process has outside of generations, whatever others have set meanwhile."""
    swap = StateSwap()
    outside = read_flags()
    one, other = GlobalState(swap, 1), GlobalState(swap, 2)
    one.enter()
    FLAG_CHANGES[change]()
    set_by_one = read_flags()
    assert set_by_one != outside
    other.enter()
    assert read_flags() == outside
    one.enter()
    assert read_flags() == set_by_one
    other.enter()
    assert read_flags() == outside
    one.end()
    swap.take_back()
    assert read_flags() == outside
    with torch.backends.cudnn.flags(enabled=True):  # torch refuses where names of precisions do not agree
        assert torch.backends.cudnn.allow_tf32


def test_the_second_of_a_pair_of_normal_numbers_is_kept() -> None:
    """numpy and `random` draw normal numbers in pairs, and keep the second beside their bits."""

    def normal() -> tuple[float, float]:
        return float(np.random.randn()), random.gauss(0, 1)

    swap = StateSwap()
    np.random.seed(1)
    random.seed(1)
    normal()
    outside = normal()  # the second of the first pair
    np.random.seed(1)
    random.seed(1)
    normal()
    one = GlobalState(swap, 5)
    one.enter()
    alone = [normal() for _ in range(3)]
    one.end()
    assert normal() == outside
    one, other = GlobalState(swap, 5), GlobalState(swap, 6)
    found = []
    for _ in range(3):
        one.enter()
        found.append(normal())
        other.enter()
        normal()
        swap.take_back()
    assert found == alone


def test_seeds_give_what_seeding_gives() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2**40 + 7)
        np.random.seed(7)
        random.seed(2**40 + 7)
        expected = draw()
    swap = StateSwap()
    for _ in range(2):  # the second time with a generator that was used before
        state = GlobalState(swap, 2**40 + 7)
        state.enter()
        assert draw() == expected
        state.end()


def test_numpy_s_own_generator_comes_back_whatever_it_is() -> None:
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(3))
        expected = [float(np.random.randn()) for _ in range(4)]
        mine = np.random.PCG64(3)
        np.random.set_bit_generator(mine)
        swap = StateSwap()
        found = []
        for _ in range(4):
            state = GlobalState(swap, 1)
            found.append(float(np.random.randn()))
            state.enter()
            np.random.randn()
            state.end()
        assert np.random.get_bit_generator() is mine
        assert found == expected
    finally:
        np.random.set_bit_generator(before)


class Mode(TorchFunctionMode):
    """One that does nothing."""


STATES: dict[str, Callable[[], Any]] = {
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "device": lambda: torch.device("meta"),
    "mode": Mode,
    "attention": lambda: sdpa_kernel(SDPBackend.MATH),
    "cuDNN": lambda: torch.backends.cudnn.flags(enabled=False),
    "determinism": lambda: torch.backends.cudnn.flags(deterministic=True),
}


@pytest.mark.parametrize("state", STATES)
def test_calls_in_other_states_are_told_apart(state: str) -> None:
    plain = thread_state()
    with STATES[state]():
        inside = thread_state()
        assert inside != plain
        assert thread_state() == inside
    assert thread_state() == plain


@pytest.mark.parametrize("state", ["no gradients", "inference", "autocast", "device"])
def test_a_thread_computes_by_what_its_request_was_made_in(state: str) -> None:
    with STATES[state]():
        expected, around = thread_state(), Surroundings()
    found: list[object] = []

    def run() -> None:
        with around.entered():
            found.append(thread_state())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [expected]


def test_a_request_does_what_the_plain_call_does_in_its_place() -> None:
    """Under autocast, with context variables, and callbacks that need gradients."""
    tiny, pipe = FAMILIES["pixart"], FAMILIES["pixart"].build()
    seen: list[object] = []
    variable: ContextVar[int] = ContextVar("variable", default=0)

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        seen.append((variable.get(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))

    def asked(seed: int) -> dict[str, Any]:
        return {**arguments(tiny, pipe, steps=2, seed=seed), "callback": callback}

    plain = pipe(**asked(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        variable.set(5)
        expected = pipe(**asked(0))
        alone, seen = seen[2:], []
        with Engine({"m": pipe}) as engine:
            job = engine.submit(**asked(0))
            found = job.result(60)
    assert seen == alone == [(5, False, True)] * 2
    assert difference(expected, found) == 0
    assert difference(plain, found) > 1e-4
    with Engine({"m": pipe}) as engine:  # requests of both kinds do not meet
        with torch.autocast("cpu", dtype=torch.bfloat16):
            jobs = [engine.submit(**asked(0))]
        jobs.append(engine.submit(**asked(0)))
        assert difference(expected, jobs[0].result(60)) == 0
        assert difference(plain, jobs[1].result(60)) == 0
        assert engine.figures.together == 0

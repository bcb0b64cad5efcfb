"""A request's own pipeline object, states of the process, and what is changed in shared modules."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from evocache.serve.engine.isolation.global_state import GlobalState, StateSwap
from evocache.serve.engine.isolation.own_pipeline import own_pipeline
from evocache.serve.engine.isolation.shared_changes import SharedState
from evocache.serve.engine.isolation.thread_state import thread_state
from tests.tiny import FAMILIES


@pytest.mark.parametrize("name", ["pixart", "kandinsky22", "wan22"])
def test_modules_are_shared_and_all_else_is_its_own(name: str) -> None:
    pipe = FAMILIES[name].build()
    own = own_pipeline(pipe)
    assert type(own) is type(pipe)
    for part, value in pipe.components.items():
        mine = own.components[part]
        shared = value is None or isinstance(value, (nn.Module, int, float, str, bool))
        assert (mine is value) == shared, part
    own._guidance_scale = 99
    own.scheduler.set_timesteps(3)
    assert getattr(pipe, "_guidance_scale", None) != 99
    assert pipe.scheduler.timesteps is not own.scheduler.timesteps


def test_pipelines_in_a_pipeline_share_the_copies() -> None:
    own = own_pipeline(FAMILIES["kandinsky22"].build())
    assert own.decoder_pipe.scheduler is own.scheduler
    assert own.prior_pipe.prior is own.prior_prior


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


def test_flags_and_filters_are_exchanged_too() -> None:
    swap = StateSwap()
    before = torch.get_default_dtype(), list(warnings.filters)
    one, other = GlobalState(swap, 1), GlobalState(swap, 2)
    one.enter()
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    other.enter()
    assert torch.get_default_dtype() == torch.float64  # what it found when it began
    torch.set_default_dtype(torch.float32)
    one.enter()
    assert torch.get_default_dtype() == torch.float64
    swap.take_back()
    assert (torch.get_default_dtype(), list(warnings.filters)) == before


def test_calls_in_other_states_are_told_apart() -> None:
    plain = thread_state()
    with torch.no_grad():
        assert thread_state() != plain
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert thread_state() != plain
    assert thread_state() == plain


def test_exchanged_processors_are_seen_and_put_back() -> None:
    pipe = FAMILIES["sd15"].build()
    state = SharedState(pipe)
    before = dict(pipe.unet.attn_processors)
    assert not state.changed
    pipe.unet.set_attn_processor(AttnProcessor())
    assert state.changed
    assert state.restore()
    assert pipe.unet.attn_processors == before

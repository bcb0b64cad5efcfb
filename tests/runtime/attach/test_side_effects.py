"""Whether an attention processor can keep what it sees, told by what it holds and by its code."""

from __future__ import annotations

import functools

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from evocache.runtime.attach.side_effects import may_keep
from tests.runtime.attach.test_observers import Plain, Storing

COUNTER = []
LIMIT = 3


class Counting(AttnProcessor):
    def __call__(self, *args, **kwargs):
        self.count = 1
        return super().__call__(*args, **kwargs)


class Helped(AttnProcessor):
    def __call__(self, *args, **kwargs):
        return self.noted(super().__call__(*args, **kwargs))

    def noted(self, output):
        self.mean = output.mean()
        return output


class InFile(AttnProcessor):
    def __call__(self, *args, **kwargs):
        COUNTER.append(1)
        return super().__call__(*args, **kwargs)


class AsModule(nn.Module):
    def __init__(self, bank=None):
        super().__init__()
        self.scale = nn.Linear(2, 2)
        if bank is not None:
            self.bank = bank

    def __call__(self, attn, hidden_states):
        return self.scale(hidden_states) * LIMIT


class Scaled(AttnProcessor):
    def __init__(self, scale):
        super().__init__()
        self.scale, self.shape, self.kind, self.inner = scale, (1, 2), torch.float32, AttnProcessor()

    def __call__(self, attn, hidden_states, **kwargs):
        scaled = {"given": hidden_states * self.scale}
        scaled["given"][0] = 0
        return self.inner(attn, scaled["given"], **kwargs)


def closing(over):
    return lambda attn, hidden_states: (over, hidden_states)[1]


def counting(attn, hidden_states):
    global LIMIT
    LIMIT = 4


KEEP = {
    "a list": Storing([]),
    "an attribute that is set": Counting(),
    "an attribute that a method sets": Helped(),
    "a list of its file": InFile(),
    "a module with a dictionary": AsModule({}),
    "a closure over a list": closing([]),
    "a function with a list": functools.partial(closing(1), []),
    "a variable of its file that is set": counting,
    "a bound method of an object that keeps": Helped().noted,
    "another processor that keeps": Storing(Counting()),
}
NOT = [Plain(), AsModule(), Scaled(2.0), Scaled(torch.ones(1)), closing(3), AttnProcessor(), closing(Scaled(1))]


@pytest.mark.parametrize("kind", KEEP)
def test_what_can_keep_what_it_sees(kind):
    assert may_keep(KEEP[kind])


@pytest.mark.parametrize("processor", NOT)
def test_what_keeps_nothing(processor):
    assert not may_keep(processor)

"""Slices run on side by side, exactly, and leave nothing behind however they end."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from evocache.memory.slicing.couplings import Uncoupled
from evocache.memory.slicing.lockstep import lockstep
from tests.memory.parts import PARTS, randomised


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield
    assert not _get_current_function_mode_stack()


@pytest.mark.parametrize("name", PARTS)
def test_a_part_in_slices_is_the_part(name):
    part = PARTS[name]
    module, args, kwargs = part.make()
    module = randomised(module)
    whole = module(*args, **kwargs)
    whole = whole if isinstance(whole, torch.Tensor) else whole[0]
    pieces = [lambda a=a, k=k: module(*a, **k) for a, k in part.cut(args, kwargs)]
    found = [p if isinstance(p, torch.Tensor) else p[0] for p in lockstep(pieces)]
    joined = torch.cat(found, part.axis)
    assert joined.shape == whole.shape
    assert float((joined - whole).abs().max()) <= 2e-6 * float(whole.abs().max()) + 1e-9


def test_results_come_one_by_one_while_later_slices_wait():
    ran = []

    def piece(i):
        def run():
            ran.append(i)
            return i

        return run

    results = lockstep([piece(i) for i in range(3)])
    assert next(results) == 0
    assert ran == [0]
    assert list(results) == [1, 2]


def test_a_single_slice_meets_nobody():
    def pad():
        return functional.pad(x, (1, 1, 0, 0), "circular")

    x = torch.randn(1, 1, 4, 4)
    assert torch.equal(next(lockstep([pad])), pad())


def test_an_error_in_one_slice_ends_all():
    conv, ended = nn.Conv2d(1, 1, 3, padding=1), []

    def piece(i):
        def run():
            try:
                out = conv(torch.randn(1, 1, 3 + i, 4))
                if i == 1:
                    raise ValueError("in the middle")
                return conv(out)
            finally:
                ended.append(i)

        return run

    with pytest.raises(ValueError, match="in the middle"):
        list(lockstep([piece(i) for i in range(3)]))
    assert sorted(ended) == [0, 1, 2]


def test_what_is_not_taken_is_given_up():
    results = lockstep(
        [lambda i=i: functional.conv2d(torch.ones(1, 1, 3 + i, 3), torch.ones(1, 1, 3, 3)) for i in range(2)]
    )
    next(results)
    results.close()
    gc.collect()


def test_slices_that_part_are_refused():
    conv = nn.Conv2d(1, 1, 3, padding=1)
    with pytest.raises(Uncoupled, match="ended before"):
        list(lockstep([lambda: conv(torch.ones(1, 1, 3, 3)), lambda: 1]))
    norm = nn.GroupNorm(1, 1)
    with pytest.raises(Uncoupled, match="another to group_norm"):
        list(lockstep([lambda: conv(torch.ones(1, 1, 3, 3)), lambda: norm(torch.ones(1, 1, 4, 3))]))

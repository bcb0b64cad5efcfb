"""Forecasts of half-precision features: summed in single precision, whole or piece by piece, and rounded once."""

from __future__ import annotations

import pytest
import torch

from evocache import apply, discover
from evocache.memory.ledger import Ledger
from evocache.runtime.estimate.stored_bytes import kept_beside
from evocache.runtime.program import forecast
from evocache.runtime.program.forecast import combine, sum_bytes
from evocache.schedule import REUSE, uniform
from evocache.schedule import forecast as forecasting
from tests.runtime.steered import Pipe

WEIGHTS = (5.0, -6.0, 2.0)


def exact(values, weights=WEIGHTS):
    return sum(value.double() * weight for value, weight in zip(values, weights, strict=True))


@pytest.mark.parametrize("given", ["held", "made"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_do_not_overflow_on_the_way_and_are_rounded_once(dtype, given):
    torch.manual_seed(0)
    # five times 2e4 is out of float16's range, what is added up is not
    values = [(2e4 * (1 + 0.01 * torch.randn(7, 11))).to(dtype) for _ in WEIGHTS]
    kept = [value.clone() for value in values]
    features = [[value, value.T] for value in values]
    found = combine(features if given == "held" else iter(features), WEIGHTS)
    assert [t.dtype for t in found] == [dtype, dtype]
    assert [tuple(t.shape) for t in found] == [(7, 11), (11, 7)]
    for made in (found[0], found[1].T):
        assert torch.equal(made, exact(values).to(dtype))
    assert all(map(torch.equal, values, kept))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pieces_give_what_the_whole_gives(monkeypatch, dtype):
    values = [torch.randn(13, 5, 3).to(dtype).transpose(0, 1) for _ in WEIGHTS]
    whole = combine([[value] for value in values], WEIGHTS)[0]
    monkeypatch.setitem(forecast.PIECE, "cpu", 16)
    pieces = combine([[value] for value in values], WEIGHTS)[0]
    assert torch.equal(pieces, whole)
    assert pieces.shape == values[0].shape


@pytest.mark.parametrize("whole", [True, False])
def test_a_sum_in_single_precision_takes_the_bytes_that_are_planned(monkeypatch, whole):
    """Values that are held are summed a piece at a time; what is made for the sum is let go one after the other."""
    monkeypatch.setitem(forecast.PIECE, "cpu", 1 << 10)
    monkeypatch.setattr(forecast, "_PIECE", 1 << 10)
    values = [torch.randn(64, 128).to(torch.bfloat16) for _ in WEIGHTS]
    size = values[0].nbytes
    given = ([value.clone()] for value in values) if whole else [[value] for value in values]
    ledger = Ledger(on="cpu")
    ledger.ignore(values)
    with ledger, ledger.extent() as extent:
        made = combine(given, WEIGHTS)
    assert made[0].nbytes == size
    assert extent.surge == size + sum_bytes(size, whole=whole)


def test_a_sum_in_single_precision_is_held_beside_features():
    tree = discover(Pipe("plain")).tree
    leaf = next(c.id for c in tree if c.is_leaf)
    reused, foreseen = (uniform(tree, 7, [leaf], (0, 1, 2), action) for action in (REUSE, forecasting(2)))
    assert kept_beside({leaf: 100}, foreseen, "none", half=True) == 200
    assert kept_beside({leaf: 100}, foreseen, "int8", half=True) == 200
    assert kept_beside({leaf: 100}, foreseen, "int8") == kept_beside({leaf: 100}, reused, "int8", half=True) == 100
    assert kept_beside({leaf: 100}, reused, "none", half=True) == kept_beside({leaf: 100}, foreseen, "none") == 0


@pytest.mark.parametrize("given", [list, iter])
def test_shapes_that_differ_have_no_sum(given):
    a, b = torch.zeros(2, 3), torch.zeros(2, 4)
    assert combine(given([[a, a], [a, b]]), (1.0, 1.0)) is None


@pytest.mark.parametrize("storage", ["none", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_generation_in_half_precision_is_finite_where_the_exact_one_is(dtype, storage):
    """A leaf that gives 2e4 at all steps, forecast from three of them."""
    pipe = Pipe("plain")
    attention = pipe.transformer.transformer_blocks[1].attn
    big = torch.full((1, 5, 8), 2e4, dtype=dtype)
    seen = []
    pipe.transformer.transformer_blocks[1].forward = lambda x, text: (x + 0 * seen_by(attention(x)), text)

    def seen_by(out):
        seen.append(out.clone())
        return out.float()

    attention.forward = lambda x: big.clone()
    leaf = "transformer/transformer_blocks.1.attn"
    tree = discover(pipe).tree
    schedule = uniform(tree, 7, [leaf], (0, 1, 2), forecasting(2))
    with apply(pipe, schedule, storage=storage) as handle:
        output = pipe(7)
    assert handle.stats.executed[leaf] == 3
    assert len(seen) == 7
    assert all(torch.isfinite(out).all() for out in seen)
    assert torch.isfinite(output).all()
    assert all((out.float() - 2e4).abs().max() < 100 for out in seen)

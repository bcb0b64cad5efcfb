"""Reuse distances: the curve of a real LRU, samples, and merges that equal the whole."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.usage.patterns.byte_stack import ByteStack
from evocache.usage.patterns.reuse_distance import ReuseDistances
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace

requests = st.lists(st.integers(0, 15).map(lambda key: (key, 10 + 17 * key)), max_size=120)
"""A key's answers are of one size."""


def measured(stream, most: int = 8192) -> ReuseDistances:
    distances = ReuseDistances(most)
    for key, size in stream:
        distances.add(key, size)
    return distances


def stream(count: int, seed: int = 0, most: int = 800, sizes=(64, 64)) -> list[tuple[int, int]]:
    """Zipf over keys, whose answers are always of one size; popular keys change after a half."""
    draw = random.Random(seed)
    size = [draw.randint(*sizes) for _ in range(2 * most)]
    keys = draw.choices(range(most), [1 / (rank + 3) for rank in range(most)], k=count)
    return [
        (key + most // 2 * (n > count // 2), size[key + most // 2 * (n > count // 2)]) for n, key in enumerate(keys)
    ]


def test_a_stack_knows_the_bytes_above():
    stack = ByteStack()
    assert [stack.touch(*one) for one in [(1, 10), (2, 20), (3, 30), (1, 11), (1, 12), (3, 5), (2, 1)]] == [
        None,
        None,
        None,
        50,
        0,
        12,
        17,
    ]
    assert [*stack] == [(1, 12), (3, 5), (2, 1)]
    stack.remove(3)
    assert stack.touch(1, 12) == 1
    assert (3 in stack, len(stack)) == (False, 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50)), max_size=200))
def test_a_stack_is_a_list_that_is_searched(touched):
    stack, plain = ByteStack(), list[tuple[int, int]]()
    for key, size in touched * 8:  # places are given again after a thousand
        at = next((n for n, (held, _) in enumerate(plain) if held == key), None)
        expected = None if at is None else sum(held for _, held in plain[at + 1 :])
        if at is not None:
            del plain[at]
        plain.append((key, size))
        assert stack.touch(key, size) == expected
    assert [*stack] == plain


def test_the_curve_is_that_of_real_caches():
    """Of answers of one size it is exact; the rooms are powers of two."""
    trace = stream(6000)
    distances = measured(trace)
    keys, sizes = zip(*trace, strict=True)
    for room, rate in zip(distances.rooms(), distances.hit_rates(distances.rooms()), strict=True):
        assert rate == pytest.approx(simulate(LRU(room), Trace.of(keys, size=sizes)).hit_rate, abs=1e-12)
    assert 64 <= distances.rooms()[0] < distances.rooms()[-1] <= 1 << 17


def test_the_curve_is_about_that_of_real_caches_of_answers_of_many_sizes():
    trace = stream(6000, sizes=(100, 9000))
    distances = measured(trace)
    keys, sizes = zip(*trace, strict=True)
    for room in (1 << 15, 1 << 18, 1 << 20):
        real = simulate(LRU(room), Trace.of(keys, size=sizes)).hit_rate
        assert float(distances.hit_rates(room)) == pytest.approx(real, abs=0.01)


@pytest.mark.parametrize("most", [400, 200])
def test_a_sample_of_keys_tells_the_curve(most):
    trace = stream(20_000, most=3000, sizes=(100, 9000))
    sampled, exact = measured(trace, most), measured(trace)
    assert len(sampled._stack) <= most
    assert 0 < sampled.rate < 0.2
    rooms = exact.rooms()
    assert np.abs(sampled.hit_rates(rooms) - exact.hit_rates(rooms)).mean() < 0.05
    assert len(sampled._firsts) == len(sampled._hashes) == len(sampled._stack)


@given(requests, st.integers(0, 120))
def test_merged_distances_are_those_of_the_whole(all_of_it, cut):
    merged, later, whole = measured(all_of_it[:cut]), measured(all_of_it[cut:]), measured(all_of_it)
    merged.merge(later)
    assert merged._weights.tolist() == whole._weights.tolist()
    assert [*merged._stack] == [*whole._stack]
    assert (merged._cold, merged.requests) == (whole._cold, whole.requests)
    assert merged._firsts == whole._firsts
    rooms = [1, 100, 1000, 10_000]
    assert merged.hit_rates(rooms).tolist() == whole.hit_rates(rooms).tolist()


@given(requests, requests, requests)
def test_merging_is_associative(a, b, c):
    left, inner, right = measured(a), measured(b), measured(a)
    left.merge(measured(b))
    left.merge(measured(c))
    inner.merge(measured(c))
    right.merge(inner)
    assert left._weights.tolist() == right._weights.tolist()
    assert [*left._stack] == [*right._stack]


def test_merged_samples_are_near_the_whole():
    trace = stream(20_000, most=3000)
    merged, exact = measured(trace[:8000], 400), measured(trace)
    merged.merge(measured(trace[8000:], 400))
    rooms = exact.rooms()
    assert np.abs(merged.hit_rates(rooms) - exact.hit_rates(rooms)).mean() < 0.05
    assert len(merged._stack) <= 400


def test_nothing_has_no_curve():
    assert ReuseDistances().rooms() == []
    assert ReuseDistances().hit_rates([1, 2]).tolist() == [0, 0]
    once = measured([(1, 10), (2, 10)])
    assert once.hit_rates([1 << 40]).tolist() == [0]

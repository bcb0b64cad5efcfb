"""Keys: equal in every process, different for all that differs, and what has none is refused by its name."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import UsageError
from evocache.usage.keys.canonical import _Encoder, encode, encode_arguments
from evocache.usage.keys.code_version import code_version

from . import example_values

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
HASHABLE = st.recursive(LEAVES, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HASHABLE, inner, max_size=3) | st.tuples(inner),
    max_leaves=12,
)


def same(a, b):
    """Equality of types and bits, for what the strategies draw."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or a.hex() == b.hex()
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        items = list(b.items())
        return len(a) == len(b) and all(any(same((k, v), item) for item in items) for k, v in a.items())
    if isinstance(a, frozenset):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    return a == b


@given(VALUES, VALUES)
def test_encodings_are_equal_where_values_are(a, b):
    assert (encode(a) == encode(b)) == same(a, b)
    assert not encode((a, b)).startswith(encode(a))


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text()).map(tuple))
def test_the_short_way_writes_what_the_long_one_does(value):
    assert encode(value) == _Encoder().encode(value)


@given(st.dictionaries(HASHABLE, st.integers()))
def test_the_order_of_a_dict_does_not_matter(value):
    turned = dict(reversed(value.items()))
    assert encode(turned) == encode(value)
    assert encode(set(turned)) == encode(set(value))


def test_no_two_kinds_of_values_meet():
    encodings = [encode(value) for value in (*example_values.plain(), *example_values.of_libraries())]
    assert len(set(encodings)) == len(encodings) > 150


def test_encodings_are_the_same_in_every_process():
    """Whatever strings hash to, and with optimisation."""
    ways = [("0", ()), ("1", ()), ("77", ("-O",))]
    printed = []
    for seed, options in ways:
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, *options, "-m", "tests.usage.keys.example_values", "--libraries"]
        printed.append(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split())
    assert printed[0] == printed[1] == printed[2]
    here = [*example_values.plain(), *example_values.of_libraries()]
    assert [encode(value).hex() for value in here] == printed[0][:-1]
    assert code_version(example_values.of_libraries).hex() == printed[0][-1]


def test_memory_layout_does_not_matter():
    rows = np.arange(12).reshape(3, 4)
    assert encode(np.asfortranarray(rows)) == encode(rows)
    assert encode(np.repeat(rows, 2, axis=1)[:, ::2]) == encode(rows)
    padded = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    ones, others = (np.frombuffer(bytearray([fill] * 32), padded) for fill in (1, 2))
    for array in (ones, others):
        array["a"], array["b"] = 5, 0.5
    assert ones.tobytes() != others.tobytes()
    assert encode(ones) == encode(others)


def test_containers_within_themselves_are_refused():
    circle: list[object] = []
    circle.append((circle,))
    with pytest.raises(UsageError, match="contain itself"):
        encode(circle)
    deep: object = 1
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(UsageError, match="containers in one another"):
        encode(deep)
    twice = [1]
    assert encode([twice, twice]) == encode([[1], [1]])


def test_what_has_no_key_is_refused_by_name():
    class Held:
        pass

    with pytest.raises(UsageError) as refused:
        encode_arguments({"x": 1, "self": Held()})
    text = str(refused.value)
    assert text.startswith(f"argument `self` of type {__name__}.")
    assert "give " in text
    assert "__cache_key__" in text
    assert 'ignore=("self",)' in text
    with pytest.raises(UsageError, match=r"argument `x`, in which is a value of type _thread\.lock"):
        encode_arguments({"x": [threading.Lock()]})


@pytest.mark.parametrize(
    "value",
    [lambda: 1, threading.Lock(), iter([]), object(), np.random.default_rng(0), threading, sys.stdout],
    ids=lambda value: type(value).__name__,
)
def test_values_that_processes_do_not_share_are_refused(value):
    with pytest.raises(UsageError):
        encode([value])


def test_arguments_are_told_apart_by_name():
    a, b = encode_arguments({"x": 1, "y": "s"}), encode_arguments({"y": "s", "x": 1})
    assert a == b == encode(("x", 1, "y", "s"))
    assert a != encode_arguments({"x": "s", "y": 1})
    assert encode_arguments({"x": [1], "y": 2}) == encode(("x", [1], "y", 2))

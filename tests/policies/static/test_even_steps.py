"""Even steps: how many are computed, and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import PolicyError
from evocache.policies import EvenSteps, parse
from tests.search.trees import stack


@pytest.mark.parametrize(
    ("spec", "computed"),
    [
        ("even:1", range(10)),
        ("even:2", [0, 2, 4, 6, 8]),
        ("even:2.5", [0, 2, 5, 8]),
        ("even:2,3", [0, 1, 2, 4, 8]),
        ("even:100", [0]),
        ("even:5,8", [0, 1]),
    ],
)
def test_whole_steps_are_computed(spec, computed):
    schedule = parse(spec).schedule(stack(2), 10)
    root = stack(2).index["t/b.0.a"]
    assert [step for step in range(10) if schedule.executed[step, root]] == [*computed]


@given(st.floats(1, 50), st.integers(1, 6), st.integers(1, 120))
def test_as_many_as_the_interval_leaves_from_the_first_on(interval, first, steps):
    policy = EvenSteps(interval, first)
    computed = policy.computed(steps)
    assert len(computed) == max(int(steps / interval + 1e-9), 1)
    assert computed[: min(first, len(computed))] == tuple(range(min(first, len(computed))))
    assert all(a < b for a, b in zip(computed, (*computed[1:], steps), strict=True))
    gaps = [b - a for a, b in zip(computed[first:], computed[first + 1 :], strict=False)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert parse(policy.spec) == policy


@pytest.mark.parametrize("spec", ["even:0.5", "even:nan", "even:inf", "even:2,0", "even:", "even:2,3,4", "even:1e9"])
def test_what_is_no_interval_is_refused(spec):
    with pytest.raises(PolicyError, match="even"):
        parse(spec)

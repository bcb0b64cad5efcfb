"""The score in loops and in numpy is one, and orders as the policies that it contains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.usage.demand import formula
from evocache.usage.demand.weights import COUNT, Weights

requests = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=60)
vectors = st.lists(st.floats(-6, 3), min_size=COUNT, max_size=COUNT)


def tables(asked, size=100.0, seconds=1.0):
    """Tables after some requests of (key, owner, group); rows of keys are their numbers."""
    widths = formula.KEY_COLUMNS, formula.OWNER_COLUMNS, formula.GROUP_COLUMNS
    keys, owners, groups = (np.zeros((rows, columns)) for rows, columns in zip((10, 5, 4), widths, strict=True))
    keys[:, formula.ID] = np.arange(1, 11)
    keys[:, formula.LOG_BYTES], keys[:, formula.LOG_SECONDS] = np.log(size), np.log(seconds)
    for now, (k, o, g) in enumerate(asked, 1):
        formula.note(keys, owners, groups, float(now), k, o, g)
    return keys, owners, groups


@settings(max_examples=60, deadline=None)
@given(requests, vectors, st.integers(-20, 5))
def test_loops_and_numpy_agree(asked, vector, later):
    """Also at a time before what was noted last, as a shadow cache is shown requests later."""
    of, at = tables(asked), float(max(len(asked) + later, 1))
    known = sorted({k for k, _, _ in asked})
    weights = Weights.from_vector(vector).factors()
    many = formula.scores(*of, at, np.array(known), weights.factors, weights.exponents)
    each = [formula.score(*of, at, k, weights.factors, weights.exponents) for k in known]
    assert np.isfinite(many).all()
    assert many == pytest.approx(each, rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(requests)
def test_recency_alone_orders_as_lru(asked):
    of, at = tables(asked), float(len(asked))
    order = list(dict.fromkeys(k for k, _, _ in reversed(asked)))
    only = Weights(-40, -40, -40, -40, -40, 0, -40, 0, 0, 0).factors()
    worth = formula.scores(*of, at, np.array(order), only.factors, only.exponents)
    assert (np.diff(worth) < 0).all()


def test_a_cause_counts_as_its_weight_says():
    """Each key below is the likeliest to be asked for again for one cause, and wins under that cause's weight alone."""
    asked = [(0, 0, 0)] * 8 + [(1, 0, 1), (2, 0, 1), (3, 0, 1), (2, 0, 1)] + [(4, 1, 0)] * 6 + [(5, 0, 0)]
    of, at = tables(asked), float(len(asked))
    rows = np.arange(6)
    best = {"now": 0, "group_now": {1, 2, 3}, "owner": 4, "recent": 5}
    for cause, winner in best.items():
        nothing = dict.fromkeys(("now", "long", "group_now", "group_long", "owner", "recent", "always"), -40.0)
        weights = Weights(**{**nothing, cause: 0.0}, age_exponent=0, seconds_exponent=0, bytes_exponent=0).factors()
        found = int(formula.scores(*of, at, rows, weights.factors, weights.exponents).argmax())
        assert found in (winner if isinstance(winner, set) else {winner})


def test_a_repeat_is_an_owners_own_last_question():
    of = tables([(0, 1, 0), (0, 1, 0), (1, 1, 0), (0, 1, 0), (0, 2, 0)])
    asked, again = of[1][1, formula.ASKED], of[1][1, formula.AGAIN]
    assert asked == pytest.approx(1 + 0.98 + 0.98**2 + 0.98**3)
    assert again == pytest.approx(0.98**2)  # the second request repeated the first; nobody else's does
    assert of[1][2, formula.AGAIN] == 0
    assert not of[1][0].any()


def test_counts_halve_after_their_half_life():
    keys, *_ = tables([(0, 0, 0), *[(1, 0, 0)] * 200, (0, 0, 0)])
    since = 201
    assert keys[0, formula.NOW] == pytest.approx(1 + 2 ** (-since / formula.FAST))
    assert keys[0, formula.LONG] == pytest.approx(1 + 2 ** (-since / formula.SLOW))

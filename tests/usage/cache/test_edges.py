"""What is given wrongly is refused before anything is computed, and harms nobody else."""

from __future__ import annotations

import copy
import math
import pickle
import threading

import pytest

from evocache import LearningCache, cached
from evocache.errors import UsageError
from evocache.usage.demand.scored import Scored
from evocache.usage.learn.adaptive import Adaptive
from evocache.usage.learn.shadows import Shadows
from evocache.usage.policies.policy import Item

SETTINGS = {"secret": b"s" * 32, "upkeep": False}


@pytest.mark.parametrize(
    "given",
    [
        {"ttl": -1}, {"ttl": math.nan}, {"ttl": "5"}, {"size": -5000}, {"size": 10**400}, {"seconds": math.nan},
        {"seconds": -1.0}, {"seconds": math.inf}, {"owner": object()}, {"group": object()}, {"owner": [object()]},
    ],
)  # fmt: skip
def test_it_is_refused_before_anything_is_computed(given):
    held, asked = LearningCache("1MB", **SETTINGS), []
    with pytest.raises(UsageError):
        held.get_or_compute("q", lambda: asked.append(1), **given)
    with pytest.raises(UsageError):
        held.put("q", 1, **given)
    assert (asked, held.stats.bytes, len(held._answers.flights)) == ([], 0, 0)


@pytest.mark.parametrize("given", [{"ttl": -1}, {"stale": -1}, {"stale": math.nan}])
def test_a_cache_with_times_that_are_none_is_refused(given):
    with pytest.raises(UsageError):
        LearningCache("1MB", **SETTINGS, **given)


def test_figures_of_nothing_are_figures():
    held = LearningCache("1MB", **SETTINGS)
    assert held.get_or_compute("q", lambda: None, size=0, seconds=0, ttl=math.inf, owner=["a"]) is None
    assert held["q"] is None
    assert held.get_or_compute("error", lambda: ValueError("kept")).args == ("kept",)


def test_a_hit_by_somebody_without_a_name_breaks_nothing_for_others():
    held = LearningCache("1MB", **SETTINGS)
    held["q"] = 1
    assert held.get_or_compute("q", lambda: 2, owner=object()) == 1
    assert held.get_or_compute("q", lambda: 2, owner=["a"]) == 1
    assert held.get_or_compute("other", lambda: 3) == 3
    assert held.stats.hits == 2


def test_owners_that_are_equal_and_of_other_types_are_others():
    names = LearningCache("1MB", **SETTINGS)._answers.names
    assert len({names.owner(1), names.owner(True), names.owner(1.0), names.owner("1")}) == 4


def test_a_pinned_answer_that_is_computed_anew_stays_pinned():
    """Its room is not the policy's: a policy that refuses everybody cannot refuse it."""
    now = [0.0]

    class Refuses(Scored):
        def add(self, item, now):
            return super().add(item, now) if item.key not in self.known else [item.key]

    policy = Refuses(1)
    policy.known = set()
    held = LearningCache("1MB", policy=policy, ttl=1, clock=lambda: now[0], **SETTINGS)
    held["q"] = 1
    held.pin("q")
    policy.known = {entry.id for entry in held._contents.entries.values()}
    held["q"] = 2
    assert held["q"] == 2
    assert held.invalidate("q")
    assert held.stats.bytes == 0


def test_a_shadow_that_is_replaced_is_remembered_by_no_table():
    policy = Adaptive(100_000)
    for number in range(1, 60):
        policy.add(Item(number, 100), number)
    before = dict(policy.demand._kept)
    for name in [name for name, shadow in policy.shadows.of.items() if isinstance(shadow.policy, Scored)]:
        for _ in range(3):
            policy.shadows.put(name, policy._makers[name], like=name, now=60)
    assert policy.demand._kept == before


def test_an_owner_that_is_forgotten_is_nowhere():
    policy = Adaptive(100_000, behind=True)
    for number in range(1, 60):
        policy.add(Item(number, 100, owner=7), number)
    policy.lesson(threading.Lock())()
    for number in range(60, 80):
        policy.add(Item(number, 100, owner=7), number)
    policy.forget_owner(7)
    policy.lesson(threading.Lock())()
    assert not policy.demand._owners.get(7)
    held = [item for shadow in policy.shadows.of.values() for item in shadow.policy.items()]
    assert len(held) >= 79
    assert all(item.owner == 0 for item in [*held, *policy.items()])
    assert isinstance(policy.shadows, Shadows)


@cached(**SETTINGS)
def double(n: int) -> int:
    return 2 * n


def test_a_cached_function_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(double)) is double
    assert copy.deepcopy(double) is double

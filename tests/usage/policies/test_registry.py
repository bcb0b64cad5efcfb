"""Policies are found by name, and wrong names are told."""

import pytest

from evocache.errors import UsageError
from evocache.usage.policies.registry import NAMES, POLICIES, policy


def test_every_name_makes_its_policy():
    for name in NAMES:
        made = policy(name, 100, seed=3)
        assert type(made) is POLICIES[name]
        assert (made.max_bytes, made.bytes, len(made)) == (100, 0, 0)


@pytest.mark.parametrize("name", ["LRU", " lru ", "l-r-u"])
def test_case_and_hyphens_do_not_matter(name):
    assert policy(name, 1).name == "lru"


def test_a_misspelt_name_is_told_what_it_may_stand_for():
    with pytest.raises(UsageError, match="did you mean 'sieve'") as error:
        policy("seive", 100)
    assert all(name in str(error.value) for name in NAMES)


def test_a_name_like_none_is_told_the_names():
    with pytest.raises(UsageError, match="give one of these names"):
        policy("xyzzy", 100)


@pytest.mark.parametrize("amount", [-1, 1.5, True, "1MB", None])
def test_bytes_that_are_none_are_refused(amount):
    with pytest.raises(UsageError, match="max_bytes"):
        policy("lru", amount)

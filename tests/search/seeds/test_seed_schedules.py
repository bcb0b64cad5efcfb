"""What a search starts from: names, budgets, and that masks are made for the parts that they skip."""

from __future__ import annotations

import re

import numpy as np
import pytest

from evocache.policies.calibrated.smoothcache import group_columns
from evocache.search.calibrate.calibration_file import Calibration
from evocache.search.cost.schedule_cost import Costs
from evocache.search.seeds.seed_schedules import (
    choose_thresholds,
    drop_equal,
    make_mask_seeds,
    make_policy_seeds,
    make_seeds,
)
from tests.search.trees import stack

TREE, STEPS = stack(), 12


def moving(power: float) -> np.ndarray:
    position = np.arange(STEPS) ** power
    return np.square(position[None, :] - position[:, None]) / 100


DRIFT = {c.id: moving(0.6 + 0.1 * (i % 5)) for i, c in enumerate(TREE)}
ERRORS = {name: np.sqrt(moving(0.5 + 0.2 * i)) for i, name in enumerate(group_columns(TREE))}
CALIBRATION = Calibration(STEPS, Costs({c.id: 0.01 for c in TREE}, {}, {}), DRIFT, ERRORS)


def test_policies_at_several_strengths() -> None:
    names = [s.provenance.origin for s in make_policy_seeds(TREE, STEPS, ERRORS)]
    count = {policy: sum(name.startswith(policy) for name in names) for policy in ("fora", "taylorseer", "tgate")}
    assert count == {"fora": 4, "taylorseer": 7, "tgate": 2}
    assert not any(name.startswith("deepcache") for name in names)
    assert sum(name.startswith("smoothcache") for name in names) == 5
    assert not any(s.provenance.origin.startswith("smoothcache") for s in make_policy_seeds(TREE, STEPS))


def test_thresholds_spread_smoothcache_over_its_budgets() -> None:
    found = choose_thresholds(ERRORS)
    assert found == sorted(set(found))
    seeds = [s for s in make_policy_seeds(TREE, STEPS, ERRORS) if s.provenance.origin.startswith("smoothcache")]
    shares = [s.executed_fraction() for s in seeds]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.6 > 0.5 > shares[-1]
    assert choose_thresholds({"t/attention": np.zeros((4, 4))}) == []


@pytest.mark.parametrize("part", [None, ["t"]])
def test_masks_compute_as_many_steps_as_they_say(part: list[str] | None) -> None:
    column = TREE.index["t" if part else "t/blocks[0:4]"]
    seeds = list(make_mask_seeds(TREE, STEPS, DRIFT, parts=part))
    assert len(seeds) == 2 * 3 * len(range(2, STEPS))
    for schedule in seeds:
        named = re.match(r"(?:dp|even) mask of (\d+) steps( on t)?, gain ", schedule.provenance.origin)
        assert named
        assert bool(named[2]) == bool(part)
        assert schedule.executed[:, column].sum() == int(named[1])
        assert np.flatnonzero(schedule.read.any(axis=0)).tolist() == [column]


def test_without_a_calibration_masks_are_even() -> None:
    seeds = list(make_mask_seeds(TREE, STEPS))
    assert {s.provenance.origin.split()[0] for s in seeds} == {"even"}
    assert np.flatnonzero(seeds[6].executed[:, 1]).tolist() == [0, 3, 6, 9]


def test_all_seeds_are_distinct_named_and_the_same_again() -> None:
    seeds = make_seeds(TREE, CALIBRATION)
    digests = [s.digest for s in seeds]
    assert len(set(digests)) == len(digests)
    assert digests == [s.digest for s in make_seeds(TREE, CALIBRATION)]
    assert all(s.provenance.origin for s in seeds)
    for kind in ("fora", "taylorseer", "smoothcache", "dp mask", "fill to"):
        assert any(s.provenance.origin.startswith(kind) for s in seeds)
    assert any(" on t," in s.provenance.origin for s in seeds)


def test_the_first_name_of_a_behaviour_is_kept() -> None:
    one, other = (next(iter(make_policy_seeds(TREE, STEPS))).with_provenance(name) for name in ("a", "b"))
    assert [s.provenance.origin for s in drop_equal([one, other, one])] == ["a"]

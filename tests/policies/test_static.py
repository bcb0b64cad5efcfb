"""The grids of the methods that are known beforehand, cell by cell, against their rules stated another way."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from evocache.errors import PolicyError
from evocache.policies import DeepCache, DPCache, LearningToCache, LeMiCa, MagCache, parse
from evocache.policies.base.calibration_matrices import pack_matrix
from evocache.policies.base.step_paths import add_up, find_best_path, keep_worst
from evocache.schedule import liveness
from tests.search.trees import stack

STEPS = 20


def reused(schedule):
    """Steps at which each component is told not to compute though what contains it does."""
    found = {c.id: np.flatnonzero(schedule.read[:, i]).tolist() for i, c in enumerate(schedule.components)}
    return {id: steps for id, steps in found.items() if steps}


def drifting(seed, steps):
    """Random errors above the diagonal."""
    return np.triu(np.random.default_rng(seed).random((steps, steps)), 1)


def test_pab_has_an_interval_for_each_type_of_attention_within_a_window():
    window = range(3, 18)  # 15 % to 90 % of 20
    for id, steps in reused(parse("pab:2,6").schedule(stack(2), STEPS)).items():
        interval = {"a": 2, "c": 6}[id[-1]]
        assert steps == [s for s in window if s % interval]
    assert len(reused(parse("pab:2,6").schedule(stack(2), STEPS))) == 4
    assert parse("pab:2,3,0.5,0.5").schedule(stack(), STEPS).is_full


def test_fastercache_moves_attention_on_by_a_part_of_its_last_change():
    """The weights of its forecasts are 1 + w and -w, however far ahead."""
    from evocache.runtime.program.plan import Plan

    tree = stack(1)
    schedule = parse("fastercache:4,0.3,0.2").schedule(tree, STEPS)
    column = tree.index["t/b.0.a"]
    assert reused(schedule) == {"t/b.0.a": [s for s in range(4, STEPS) if s % 4]}
    for step, row in enumerate(Plan.compile(schedule).rows):
        if column in row.recalls:
            recall = row.recalls[column]
            last = step // 4 * 4
            assert recall.born == (last, last - 4 if last > 4 else 3)
            assert recall.weights == pytest.approx((1.3, -0.3))


def test_delta_dit_spares_the_rear_early_and_the_front_late():
    schedule = parse("delta-dit:3,2,10").schedule(stack(5), STEPS)
    between = [s for s in range(STEPS) if s % 3]
    assert reused(schedule) == {
        "t/blocks[3:5]": [s for s in between if s < 10],
        "t/blocks[0:2]": [s for s in between if s >= 10],
    }


def test_delta_dit_wants_no_more_than_half_of_the_blocks():
    with pytest.raises(PolicyError, match=r"3 blocks.*at most 2"):
        parse("delta-dit:3,3,10").schedule(stack(5), STEPS)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_freqca_caches_the_last_outputs_alone(order):
    tree = stack(3)
    schedule = parse(f"freqca:4,{order},0.7").schedule(tree, STEPS)
    computed = sorted({*range(order + 1), *range(order, STEPS, 4)})
    assert reused(schedule) == {"t": [s for s in range(STEPS) if s not in computed]}
    reads = liveness.find_reads(schedule)
    assert {len(born) for born in reads.values()} == {order + 1}
    assert set(schedule.gains[schedule.read].tolist()) == {0.7}


def test_l2c_reuses_the_calmest_layers_of_every_second_step():
    tree = stack(2)
    ids = [tree.components[i].id for i in tree.leaves]
    drift = {id: drifting(i, 10) for i, id in enumerate(ids)}
    schedule = LearningToCache(0.4, drift=drift).schedule(tree, 10)
    cells = sorted((drift[id][s - 1, s], s, id) for id in ids for s in range(1, 10, 2))
    expected = {(s, id) for _, s, id in cells[: round(0.4 * len(cells))]}
    assert {(s, id) for id, steps in reused(schedule).items() for s in steps} == expected
    assert LearningToCache(0.0, drift=drift).schedule(tree, 10).is_full


def stretches(drift, mask):
    """Errors of the stretches between computed steps."""
    ends = [*mask[1:], len(drift)]
    return [sum(drift[a, s] for s in range(a + 1, b)) for a, b in zip(mask, ends, strict=True)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budget", [1, 2, 4, 8])
def test_paths_are_the_best_of_all(seed, budget):
    drift = drifting(seed, 8)
    masks = [(0, *rest) for rest in itertools.combinations(range(1, 8), budget - 1)]
    least = min(masks, key=lambda mask: sum(stretches(drift, mask)))
    flattest = min(masks, key=lambda mask: sorted(stretches(drift, mask), reverse=True))
    assert find_best_path(drift, budget, add_up) == least
    assert find_best_path(drift, budget, keep_worst) == flattest


@pytest.mark.parametrize(("policy", "add"), [(DPCache, add_up), (LeMiCa, keep_worst)])
def test_masks_of_paths_skip_the_stack(policy, add, tmp_path):
    tree = stack(2)
    drift = {"t/blocks[0:2]": drifting(0, 10)}
    schedule = policy(4, drift=drift).schedule(tree, 10)
    mask = find_best_path(drift["t/blocks[0:2]"], 4, add)
    assert reused(schedule) == {"t/blocks[0:2]": [s for s in range(10) if s not in mask]}
    assert policy(4, drift=drift).schedule(tree, 20) == schedule.resampled(20)
    (tmp_path / "calibration.json").write_text(
        json.dumps({"drift": {id: pack_matrix(rows) for id, rows in drift.items()}})
    )
    read = parse(f"{policy.name}:4,{tmp_path}")
    assert read.schedule(tree, 10) == schedule
    assert parse(read.spec) == read


@pytest.mark.parametrize("spec", ["l2c:0.5", "dpcache:4", "lemica:4", "l2c:0.5,nowhere", "dpcache:4,nowhere"])
def test_without_a_calibration_the_error_says_how_to_make_one(spec):
    with pytest.raises(PolicyError, match=r"calibration.*evocache evolve.*FOLDER"):
        parse(spec).schedule(stack(), STEPS)


def test_a_calibration_of_another_model_is_refused():
    for policy in (LearningToCache(0.5, drift={"x": drifting(0, 4)}), DPCache(2, drift={"x": drifting(0, 4)})):
        with pytest.raises(PolicyError, match=r"x.*calibrate"):
            policy.schedule(stack(), STEPS)


def test_magcache_adds_up_how_far_the_product_of_ratios_is_from_one(tmp_path):
    ratios = [1.0, 1.2, 1.1, 0.98, 0.98, 0.98, 0.98, 1.0, 1.0, 1.0]
    # steps 3 and 4 are 0.02 and 0.04 off, 5 would be 0.06 off; 6 to 8 are 0.02 off each, and three in a row
    policy = MagCache(0.065, 3, 0.3, ratios=ratios)
    assert policy.computed_steps(ratios) == [0, 1, 2, 5, 9]
    assert MagCache(0.06, 1, 0.3).computed_steps(ratios) == [0, 1, 2, 4, 6, 8]
    assert MagCache(0.0, 3, 0.0).computed_steps([1.0, 1.1, 1.0, 1.0, 0.9]) == [0, 1, 4]
    assert reused(policy.schedule(stack(2), 10)) == {"t/blocks[0:2]": [3, 4, 6, 7, 8]}
    file = tmp_path / "ratios.json"
    file.write_text(json.dumps(ratios))
    read = parse(f"magcache:0.065,3,0.3,{file}")
    assert read.schedule(stack(2), 10) == policy.schedule(stack(2), 10)
    assert parse(read.spec) == read
    for text in ("[]", "[0]", "{}", '["x"]', "[NaN]"):
        file.write_text(text)
        with pytest.raises(PolicyError, match="a list of ratios"):
            read.schedule(stack(2), 10)
    with pytest.raises(PolicyError, match="without ratios"):
        parse("magcache:0.06").schedule(stack(2), 10)


@pytest.mark.parametrize(("center", "power"), [(10, 1.4), (15, 1.2), (0, 1.3), (40, 2.0)])
def test_deepcache_computes_more_densely_around_its_center(center, power):
    """The paper's quadratic spacing, written with loops."""
    policy = DeepCache(5, 0, center, power)
    count = 10  # of 50 steps
    low, high = -(center ** (1 / power)), (50 - center) ** (1 / power)
    expected = {0}
    for i in range(1, count):
        place = low + (high - low) * i / count
        expected.add(center + int(abs(place) ** power) * (1 if place > 0 else -1))
    assert policy.computed(50) == sorted(expected)
    assert len(expected) <= count
    assert DeepCache(5).computed(50) == [*range(0, 50, 5)]


@pytest.mark.parametrize(
    "spec",
    [
        "pab:0",
        "pab:2,2,0.9,0.1",
        "pab:2,2,-1",
        "pab:2,2,0,1,-1",
        "fastercache:2,nan",
        "fastercache:0",
        "delta-dit:2,1",
        "delta-dit:2,0,4",
        "freqca:3,4",
        "freqca:3,1,inf",
        "l2c:1.5,x",
        "dpcache:0,x",
        "magcache:-1",
        "deepcache:2,0,3,0.5",
        "deepcache:2,0,3",
        "deepcache:2,0,-1",
    ],
)
def test_bad_parameters(spec):
    with pytest.raises(PolicyError, match=spec.split(":")[0]):
        parse(spec)

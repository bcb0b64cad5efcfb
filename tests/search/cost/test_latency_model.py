"""The latency model on schedules whose seconds are made up: terms by hand, weights recovered, noise withstood."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from evocache.schedule import Schedule, forecast, uniform
from evocache.search.calibrate.random_schedules import draw_schedules
from evocache.search.cost.latency_model import STEP, Accuracy, Terms, fit, measure_overhead, tabulate_calls
from evocache.search.cost.schedule_cost import Costs
from tests.search.trees import stack

TREE, STEPS = stack(3), 8
SECONDS = {"t": 0.01, "t/blocks[0:3]": 0.0}
SECONDS |= {
    c.id: {"block": 0.002, "attention": 0.03, "cross_attention": 0.01, "feed_forward": 0.05}[c.kind]
    for c in TREE
    if c.block is not None
}
SIZES = {c.id: 1000 for c in TREE}
TERMS = Terms(TREE, STEPS, SECONDS, SIZES, {})
FULL = Schedule.full(TREE, STEPS)


def terms(schedule: Schedule) -> dict[str, float]:
    return dict(zip(TERMS.names, TERMS.of(schedule).tolist(), strict=True))


def test_terms_of_computing_everything() -> None:
    assert terms(FULL) == pytest.approx(
        {
            "fixed": 1,
            "step": 8,
            "attention": 8 * 3 * 0.03,
            "cross_attention": 8 * 3 * 0.01,
            "feed_forward": 8 * 3 * 0.05,
            "other": 8 * (0.01 + 3 * 0.002),
            "reads": 0,
            "bytes": 0,
        }
    )


def test_terms_of_reading() -> None:
    span = terms(uniform(TREE, STEPS, ["t/blocks[0:3]"], range(6)))
    assert span["reads"] == 2 * 3  # blocks passed by
    assert span["bytes"] == 2 * 2 * 1000  # a residual is read and a stream written
    assert span["other"] == pytest.approx(8 * 0.01 + 6 * 3 * 0.002)
    leaf = terms(uniform(TREE, STEPS, ["t/b.0.a"], range(6)))
    assert (leaf["reads"], leaf["bytes"]) == (2, 0)
    ahead = terms(uniform(TREE, STEPS, ["t/b.0.a"], range(6), forecast(2)))
    assert (ahead["reads"], ahead["bytes"]) == (2, 2 * (3 + 1) * 1000)  # three values read, one written


def test_a_skipped_denoiser_leaves_its_read_alone() -> None:
    found = terms(uniform(TREE, STEPS, ["t"], [0]))
    assert found["reads"] == 7
    for name in ("attention", "cross_attention", "feed_forward", "other"):
        assert found[name] == pytest.approx(terms(FULL)[name] / STEPS)


def test_calls_weigh_steps_and_fit_any_number_of_them() -> None:
    grid = tabulate_calls(TREE, 4, {"t": [2, 2, 0, 0]})
    assert grid[:, 0].tolist() == [2, 2, 0, 0]
    assert tabulate_calls(TREE, 8, {"t": [2, 2, 0, 0]})[:, 5].tolist() == [2, 2, 2, 2, 0, 0, 0, 0]
    assert tabulate_calls(TREE, 2, {}).tolist() == np.ones((2, len(TREE))).tolist()
    costs = Costs(SECONDS, {"t/b.0.a": 10.0}, SIZES, calls_at={"t": [2.0, 1.0]})
    assert costs.macs(Schedule.full(TREE, 2)) == (2 + 1) * 10 / 2
    assert Costs(SECONDS, {"t/b.0.a": 10.0}, SIZES, calls=2).macs(Schedule.full(TREE, 3)) == 2 * 3 * 10 / 2


TRUE = {
    "fixed": 0.3,
    "step": 0.0,
    "attention": 1.2,
    "cross_attention": 0.9,
    "feed_forward": 1.1,
    "other": 1.3,
    "reads": 1e-5,
    "bytes": 1e-9,
}


def clocked(schedules: list[Schedule], noise: float, seed: int = 0) -> np.ndarray:
    exact = np.array([sum(TRUE[name] * value for name, value in terms(s).items()) for s in schedules])
    return exact * np.exp(np.random.default_rng(seed).normal(0, noise, len(schedules)))


@pytest.mark.parametrize(("noise", "worst"), [(0.0, 0.02), (0.03, 0.06)])
def test_what_was_timed_with_noise_is_predicted_on_other_schedules(noise: float, worst: float) -> None:
    schedules = [FULL, *draw_schedules(TREE, STEPS, 10)]
    weights = fit(TERMS.names, np.array([TERMS.of(s) for s in schedules]), clocked(schedules, noise), 0.3)
    others = draw_schedules(TREE, STEPS, 40, seed=1)
    costs = Costs(SECONDS, {}, SIZES, fixed=0.3, weights=weights)
    accuracy = Accuracy.of(np.array([costs.latency(s) for s in others]), clocked(others, 0), fitted=11, scatter=noise)
    assert accuracy.median < worst / 2
    assert accuracy.largest < worst
    assert (accuracy.fitted, accuracy.checked, accuracy.scatter) == (11, 40, noise)
    assert min(weights.values()) >= 0


def test_steps_add_up_to_the_generation() -> None:
    for schedule in draw_schedules(TREE, STEPS, 10):
        whole = TERMS.of(schedule)
        assert np.allclose(TERMS.rows(schedule).sum(axis=0)[2:], whole[2:])
        assert not TERMS.rows(schedule)[:, :2].any()


def test_steps_tell_more_than_generations_and_disturbed_ones_are_passed_over() -> None:
    schedules = [FULL, *draw_schedules(TREE, STEPS, 10)]
    rows = np.concatenate([TERMS.rows(schedule) for schedule in schedules])
    rng = np.random.default_rng(0)
    noise = np.exp(rng.normal(0, 0.05, len(rows))) * np.where(rng.random(len(rows)) < 0.1, 2.0, 1.0)
    weights = fit(TERMS.names, rows, rows @ list(TRUE.values()) * noise, 0.3)
    others = draw_schedules(TREE, STEPS, 40, seed=1)
    costs = Costs(SECONDS, {}, SIZES, fixed=0.3, weights=weights)
    errors = np.array([costs.latency(s) for s in others]) / clocked(others, 0) - 1
    assert np.abs(errors).max() < 0.04


def test_the_scale_is_fitted_and_a_kind_that_was_never_timed_apart_follows_it() -> None:
    seconds = 3.0 * np.array([TERMS.of(FULL)[2:-2].sum()]) + 0.3
    weights = fit(TERMS.names, TERMS.of(FULL)[None], seconds, 0.3)
    for name in ("attention", "cross_attention", "feed_forward", "other"):
        assert weights[name] == pytest.approx(3.0, rel=0.05)
    assert weights["fixed"] == pytest.approx(0.3, rel=0.05)


def test_without_a_fit_the_probe_is_believed() -> None:
    costs = Costs(SECONDS, {}, SIZES, fixed=0.3)
    assert costs.latency(FULL) == pytest.approx(0.3 + FULL.cost(SECONDS))
    half = uniform(TREE, STEPS, ["t/blocks[0:3]"], range(4))
    assert costs.latency(half) == pytest.approx(0.3 + half.cost(SECONDS))


def test_prices_follow_the_tree_of_the_schedule() -> None:
    costs = Costs(SECONDS, {}, SIZES, fixed=0.3)
    other = Schedule.full(stack(1), STEPS)
    assert costs.latency(other) == pytest.approx(0.3 + other.cost(SECONDS))
    assert costs.latency(FULL) == pytest.approx(0.3 + FULL.cost(SECONDS))


def test_a_prediction_takes_far_less_than_an_evaluation() -> None:
    big = stack(57)
    costs = Costs({c.id: 0.001 for c in big}, {}, {c.id: 1000 for c in big})
    schedules = draw_schedules(big, 50, 5)
    costs.latency(schedules[0])
    taken = []
    for schedule in schedules * 4:
        began = perf_counter()
        costs.latency(schedule)
        taken.append(perf_counter() - began)
    assert min(taken) < 0.002  # 0.1 ms as a rule; the bound is for machines under load


def test_random_schedules_cover_the_range_and_are_the_same_again() -> None:
    schedules = draw_schedules(TREE, STEPS, 20)
    assert [s.digest for s in schedules] == [s.digest for s in draw_schedules(TREE, STEPS, 20)]
    shares = np.array([s.executed_fraction() for s in schedules])
    assert shares.min() < 0.35
    assert shares.max() > 0.75
    assert any(s.read[:, TREE.index["t"]].any() for s in schedules)
    assert any(s.read[:, TREE.index["t/blocks[0:3]"]].any() for s in schedules)
    assert any(s.read[:, TREE.index["t/b.1.f"]].any() for s in schedules)
    assert any((s.orders == 2).any() for s in schedules)


def at(schedule: Schedule) -> np.ndarray:
    return Terms(TREE, schedule.steps, SECONDS, SIZES, {}).of(schedule)


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("told", [True, False])
def test_schedules_of_fewer_steps_are_predicted_once_some_were_timed(noise: float, told: bool) -> None:
    """A step that costs 0.04 s outside the denoiser, whose computed steps cost 0.34 s."""
    true = np.array(list({**TRUE, "step": 0.04}.values()))
    schedules = [*draw_schedules(TREE, STEPS, 12, least=2), FULL]
    rng = np.random.default_rng(0)

    def noisy(seconds: np.ndarray) -> np.ndarray:
        return seconds * np.exp(rng.normal(0, noise, np.shape(seconds)))

    spent = noisy(np.array([true[:2] @ at(schedule)[:2] for schedule in schedules]))
    fixed, step = measure_overhead([schedule.steps for schedule in schedules], spent)
    assert (fixed, step) == (
        pytest.approx(0.3, rel=0.05 if noise else 1e-6),
        pytest.approx(0.04, rel=0.3 * bool(noise)),
    )
    if told:
        rows = np.concatenate([Terms(TREE, s.steps, SECONDS, SIZES, {}).rows(s) for s in schedules])
    else:
        rows = np.array([at(schedule) for schedule in schedules])
    weights = fit(TERMS.names, rows, noisy(rows @ true), fixed, step)
    costs = Costs(SECONDS, {}, SIZES, fixed=fixed, weights=weights)
    assert costs.varies
    others = [*draw_schedules(TREE, STEPS, 30, seed=1, least=2), *(Schedule.full(TREE, n) for n in range(2, STEPS))]
    errors = np.array([costs.latency(s) / (true @ at(s)) - 1 for s in others])
    assert np.abs(errors).max() < (0.03 if noise == 0 else 0.06)


def test_one_number_of_steps_says_nothing_of_what_a_step_costs() -> None:
    schedules = [FULL, *draw_schedules(TREE, STEPS, 10)]
    weights = fit(TERMS.names, np.array([TERMS.of(s) for s in schedules]), clocked(schedules, 0.0), 0.3)
    assert STEP not in weights
    costs = Costs(SECONDS, {}, SIZES, fixed=0.3, weights=weights)
    assert not costs.varies
    # a calibration of before: the same figures to the bit
    old = [name for name in TERMS.names if name != STEP]
    vector = np.array([dict(zip(TERMS.names, TERMS.of(FULL), strict=True))[name] for name in old])
    assert costs.latency(FULL) == float(vector @ np.array([weights[name] for name in old]))


def test_neither_part_of_what_lies_outside_is_negative() -> None:
    assert measure_overhead([2, 8, 8], np.array([0.5, 0.2, 0.2])) == (pytest.approx(0.3, abs=0.1), 0.0)
    fixed, step = measure_overhead([2, 8], np.array([0.1, 1.0]))
    assert fixed == 0.0
    assert step > 0.1


def test_random_schedules_of_fewer_steps_are_half_of_them_in_whichever_part() -> None:
    schedules = draw_schedules(TREE, 20, 18, least=3)
    for part in (schedules[:12], schedules[12:]):
        assert sum(schedule.steps == 20 for schedule in part) == len(part) / 2
    counts = [schedule.steps for schedule in schedules if schedule.steps < 20]
    assert (min(counts), len(set(counts))) == (3, 9)
    assert [s.digest for s in draw_schedules(TREE, 20, 18)] == [s.digest for s in draw_schedules(TREE, 20, 18, 0, None)]

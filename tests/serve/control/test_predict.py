"""What tasks are predicted to take, and how fast workers are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.serve.control.predict import GAIN, KINDS, Capacity, Predictor, base_seconds
from evocache.serve.workers.task import Picture

from .stub import CARD, POINTS, SOLO, task


@pytest.mark.parametrize(
    ("arguments", "times"),
    [
        ({}, 1.0),
        ({"num_inference_steps": 40}, 2.0),
        ({"height": 128, "width": 128}, 4.0),
        ({"height": 32}, 0.5),
        ({"num_frames": 16}, 1.0),  # of a model that has no frames
        ({"num_inference_steps": "odd", "height": True, "width": float("nan")}, 1.0),
        ({"strength": 0.5}, 1.0),  # without a picture
    ],
)
def test_a_task_takes_in_proportion_to_what_it_has_more_of(arguments, times):
    assert base_seconds(CARD, task(**arguments), None) == pytest.approx(times * SOLO)


def test_films_by_their_frames_and_given_pictures_by_their_size_and_strength():
    film = replace(CARD, defaults={**CARD.defaults, "num_frames": 8})
    assert base_seconds(film, task(num_frames=16), None) == pytest.approx(2 * SOLO)
    edit = replace(task(strength=0.5), pictures={"image": Picture(b"", 128, 64)})
    assert base_seconds(CARD, edit, None) == pytest.approx(SOLO)  # twice the pixels, half of the steps
    assert base_seconds(CARD, edit, POINTS[1]) == pytest.approx(SOLO / 2.2)


def test_it_learns_a_model_that_is_slower_than_its_card_says():
    predictor = Predictor()
    for _ in range(50):
        predictor.learn(CARD, task(), None, 3 * SOLO, beside=0, room=8)
    assert predictor.predict(CARD, task(), None, alone=True) == pytest.approx(3 * SOLO, rel=0.02)
    assert predictor.predict(CARD, task(height=128), POINTS[0], alone=True) == pytest.approx(
        3 * 2 * SOLO / 1.6, rel=0.1
    )  # fmt: skip
    other = replace(CARD, name="other")
    assert predictor.predict(other, task(), None, alone=True) == SOLO


def test_a_point_and_a_size_of_their_own_are_learned_apart():
    predictor = Predictor()
    for _ in range(50):
        predictor.learn(CARD, task(), POINTS[0], 2 * SOLO / 1.6, beside=0, room=8)
        predictor.learn(CARD, task(), POINTS[2], SOLO / 2.87, beside=0, room=8)
        predictor.learn(CARD, task(height=128), POINTS[2], 4 * 2 * SOLO / 2.87, beside=0, room=8)
    assert predictor.predict(CARD, task(), POINTS[0], alone=True) == pytest.approx(2 * SOLO / 1.6, rel=0.05)
    assert predictor.predict(CARD, task(), POINTS[2], alone=True) == pytest.approx(SOLO / 2.87, rel=0.15)
    assert predictor.predict(CARD, task(height=128), POINTS[2], alone=True) == pytest.approx(8 * SOLO / 2.87, rel=0.15)


def test_what_batches_gain_is_not_forgotten_while_tasks_are_alone():
    predictor = Predictor()
    assert predictor.predict(CARD, task(), None) == pytest.approx(GAIN * SOLO)
    for _ in range(50):
        predictor.learn(CARD, task(), None, SOLO / 2, beside=7, room=8)
    for _ in range(50):
        predictor.learn(CARD, task(), None, SOLO, beside=0, room=8)
    assert predictor.predict(CARD, task(), None) == pytest.approx(SOLO / 2, rel=0.02)
    assert predictor.predict(CARD, task(), None, alone=True) == pytest.approx(SOLO, rel=0.02)


def test_a_worker_of_one_is_full_and_its_tasks_alone():
    predictor = Predictor()
    for _ in range(50):
        predictor.learn(CARD, task(), None, 2 * SOLO, beside=0, room=1)
    for alone in (True, False):
        assert predictor.predict(CARD, task(), None, alone=alone) == pytest.approx(2 * SOLO, rel=0.02)


@given(st.lists(st.one_of(st.floats(), st.floats(0, 1e9)), max_size=30))
def test_whatever_is_told_predictions_are_above_0_and_within_bounds(told):
    predictor = Predictor()
    for seconds in told:
        predictor.learn(CARD, task(), None, seconds, beside=0, room=1)
    assert SOLO / 65 < predictor.predict(CARD, task(), None) < SOLO * 65


def test_kinds_that_users_choose_are_bounded():
    predictor = Predictor()
    for size in range(1, 2000):
        predictor.learn(CARD, task(height=size * size), None, 1.0, beside=0, room=1)
    assert len(predictor._ratios) <= KINDS


def test_capacity_is_learned_from_full_work_and_follows_the_number_of_workers():
    capacity = Capacity()
    assert capacity.rate == 0
    assert capacity.seconds(1.0) == float("inf")
    capacity.workers = 2
    assert capacity.rate == 2.0
    for _ in range(400):
        capacity.learn(1.6, 0.5, workers=2)  # 3.2 a second, where 2 were predicted
    assert capacity.rate == pytest.approx(3.2, rel=0.05)
    capacity.workers = 1
    assert capacity.rate == pytest.approx(1.6, rel=0.05)
    assert capacity.alone(1.6) == pytest.approx(capacity.seconds(1.6))

"""What tasks are predicted to take, and how fast workers are."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.serve.control.front_control import ControlSettings
from evocache.serve.control.predict.base_seconds import base_seconds
from evocache.serve.control.predict.capacity import Capacity
from evocache.serve.control.predict.pace import GAIN
from evocache.serve.control.predict.predictor import KINDS, Predictor
from evocache.serve.control.shares import Owner
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.task import Picture
from evocache.serve.workers.worker import Tell

from .load import CAPACITY, send
from .stub import CARD, POINTS, SOLO, StubWorker, dispatcher_with, task
from .virtual import run


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


def test_what_loras_take_is_learned_apart():
    predictor, adapted = Predictor(), replace(task(), loras={"ink": 0.8})
    for number in range(200):
        wanted, seconds = (adapted, 1.5 * SOLO) if number % 2 else (task(), SOLO)
        predictor.learn(CARD, wanted, None, seconds, beside=0, room=8)
    assert predictor.predict(CARD, task(), None, alone=True) == pytest.approx(SOLO, rel=0.1)
    for name in ("ink", "clay"):  # whichever it is
        wanted = replace(task(), loras={name: 0.5})
        assert predictor.predict(CARD, wanted, None, alone=True) == pytest.approx(1.5 * SOLO, rel=0.1)


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


def took(truth: float, gain: float, beside: int, room: int, chance: random.Random) -> float:
    """Seconds of a task on a machine whose ratio and gain are known, with the noise of a machine that others use."""
    company = min(1.0, beside / (0.5 * (room - 1))) ** 0.5
    return SOLO * truth * gain**company * math.exp(chance.gauss(0.0, 0.15))


@pytest.mark.parametrize(("besides", "truth"), [*product([(0,), (1, 2, 3), (7,), (0, 2, 5, 7)], [1 / 3, 3.0])])
def test_a_card_that_was_measured_wrong_is_put_right_in_whatever_company(besides: tuple[int, ...], truth: float):
    chance, predictor = random.Random(1), Predictor()
    for _ in range(60):
        beside = chance.choice(besides)
        predictor.learn(CARD, task(), None, took(truth, GAIN, beside, 8, chance), beside, room=8)
    known = 0.3 if besides == (7,) else 0.15  # full workers alone do not tell what their batches gain
    assert predictor.generation(CARD) == pytest.approx(truth * SOLO, rel=known)
    assert predictor.predict(CARD, task(), None) == pytest.approx(truth * GAIN * SOLO, rel=0.15)


def test_one_task_that_took_long_is_no_slow_machine():
    predictor = Predictor()
    for _ in range(50):
        predictor.learn(CARD, task(), None, SOLO, beside=0, room=8)
    predictor.learn(CARD, task(), None, 60 * SOLO, beside=0, room=8)
    assert predictor.generation(CARD) < 1.8 * SOLO
    for _ in range(10):
        predictor.learn(CARD, task(), None, SOLO, beside=0, room=8)
    assert predictor.generation(CARD) == pytest.approx(SOLO, rel=0.25)


def test_sizes_that_come_by_turns_are_no_machine_that_changes():
    predictor, chance = Predictor(), random.Random(1)
    for burst in range(20):
        for _ in range(12):
            wide = burst % 2
            seconds = took(1.0, GAIN, 0, 8, chance) * (8.0 if wide else 1.0)  # four times as much as pixels say
            predictor.learn(CARD, task(height=128) if wide else task(), None, seconds, beside=0, room=8)
    assert predictor.predict(CARD, task(), None, alone=True) == pytest.approx(SOLO, rel=0.15)
    assert predictor.predict(CARD, task(height=128), None, alone=True) == pytest.approx(8 * SOLO, rel=0.15)


@pytest.mark.parametrize("besides", [(0,), (1, 2, 3), (7,)])
def test_what_was_learned_of_all_follows_a_machine_that_gets_busy(besides: tuple[int, ...]):
    chance, predictor = random.Random(1), Predictor()
    for number in range(400):  # points and sizes of their own, and what batches gain
        beside, wide = chance.choice([0, 2, 7]), number % 2
        seconds = took(1.0, 0.45, beside, 8, chance) * (2.6 if wide else 1.0)
        predictor.learn(CARD, task(height=128) if wide else task(), None, seconds, beside, room=8)
    for _ in range(60):  # then usual ones alone are seen, in one company
        beside = chance.choice(besides)
        predictor.learn(CARD, task(), None, took(3.0, 0.45, beside, 8, chance), beside, room=8)
    for wanted, times in ((task(), 1.0), (task(height=128), 2.6)):
        assert predictor.predict(CARD, wanted, None, alone=True) == pytest.approx(3 * times * SOLO, rel=0.2)
        assert predictor.predict(CARD, wanted, None) == pytest.approx(3 * 0.45 * times * SOLO, rel=0.2)


@pytest.mark.parametrize(("wrong", "load"), [*product([1 / 3, 3.0], [0.3, 1.5])])
def test_a_server_learns_what_a_generation_takes_and_its_limits_follow(wrong: float, load: float):
    class Mistimed(StubWorker):
        def start(self, tell: Tell) -> Sequence[ModelCard]:
            return [replace(card, seconds=wrong * card.seconds) for card in super().start(tell)]

    async def main() -> None:
        dispatcher = await dispatcher_with(Mistimed(), tell=lambda change: None)
        assert dispatcher.cards["emoji"].seconds == wrong * SOLO
        await send(dispatcher, [(Owner(), load * CAPACITY)], 60.0)
        assert dispatcher.cards["emoji"].seconds == pytest.approx(SOLO, rel=0.25)
        limits = dispatcher._desk.controllers["emoji"]
        assert limits.limit == ControlSettings().limit * dispatcher.cards["emoji"].seconds

    run(main())


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

"""Steps and branches, told by a scheduler; forecasts' weights."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evocache.runtime.clock import Clock, Tick
from evocache.runtime.program.forecast import combine, weights


def scheduler(timesteps=(9, 7, 5, 3), **attributes):
    return SimpleNamespace(timesteps=torch.tensor(timesteps), **attributes)


def test_steps_begin_with_the_first_call_after_the_scheduler_stepped():
    clock = Clock()
    clock.timesteps_set(scheduler())
    assert (clock.total, clock.passes) == (4, 1)
    assert [clock.called("a"), clock.called("a"), clock.called("b")] == [Tick(0, 0), Tick(0, 1), Tick(0, 0)]
    clock.stepped()
    clock.stepped()  # several schedulers
    assert [clock.called("b"), clock.called("a"), clock.called("a")] == [Tick(1, 0), Tick(1, 0), Tick(1, 1)]
    clock.timesteps_set(scheduler((5, 4)))
    assert (clock.total, clock.passes) == (2, 2)
    assert clock.called("a") == Tick(0, 0)


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("how", ["begin_index", "view", "seen", "expanded", "number", "tensor"])
def test_a_pass_may_begin_late(index, how):
    source = scheduler(begin_index=index if how == "begin_index" else None)
    clock = Clock()
    clock.timesteps_set(source)
    given = {
        "begin_index": None,
        "view": source.timesteps[index],
        "seen": None,
        "expanded": source.timesteps[index].expand(2),
        "number": int(source.timesteps[index]),
        "tensor": torch.tensor([source.timesteps[index]] * 2),
    }[how]
    if how == "seen":
        clock.timestep_seen(source.timesteps[index:][0])
    assert clock.called("a", given) == Tick(index, 0)
    clock.stepped()
    clock.timestep_seen(source.timesteps[0])  # only the first tells
    assert clock.called("a", int(source.timesteps[0])) == Tick(index + 1, 0)


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("told", [lambda t: t / 1000, lambda t: 1 - t / 1000, lambda t: (1000 - t) / 1000])
def test_a_timestep_may_be_told_as_a_fraction_of_the_training_steps(index, told):
    """The first of these timesteps as a fraction is the last one as a number."""
    source = scheduler((1000.0, 667.0, 334.5, 1.0), config=SimpleNamespace(num_train_timesteps=1000))
    clock = Clock()
    clock.timesteps_set(source)
    assert clock.called("a", told(source.timesteps[index].expand(2))) == Tick(index, 0)


def test_views_of_a_panorama_are_branches_of_one_step():
    """Each view is stepped by itself, at the same timestep; the scheduler's state is swapped between views."""
    source = scheduler()
    clock = Clock()
    clock.timesteps_set(source)
    timesteps = source.timesteps
    for step, t in enumerate(timesteps):
        source.timesteps = timesteps.clone()
        assert [clock.called("a", t), clock.stepped(), clock.called("a", t)] == [Tick(step, 0), None, Tick(step, 1)]
        clock.stepped()


@pytest.mark.parametrize("made", [lambda t: t.expand(2), lambda t: t.clone(), float])
def test_two_schedulers_with_a_call_before_each_make_one_step(made):
    """A second one for sound: both are given the same timestep, as a view or not."""
    video, sound = scheduler(), scheduler()
    clock = Clock()
    clock.timesteps_set(video)
    clock.timesteps_set(sound)
    assert (clock.total, clock.passes) == (4, 1)
    for step, t in enumerate(video.timesteps):
        ticks = [clock.called("a", made(t)), clock.stepped(video), clock.called("a", made(t)), clock.stepped(sound)]
        assert ticks == [Tick(step, 0), None, Tick(step, 1), None]


def test_schedulers_for_frames_that_end_one_after_another():
    """Diffusion forcing: each frame has a copy, the first ones end early, others begin late."""
    copies = [scheduler() for _ in range(6)]
    clock = Clock()
    clock.timesteps_set(scheduler())
    for step in range(6):
        assert clock.called("a", torch.tensor([600 + step, 300 + step])) == Tick(step, 0)
        for copy in copies[step : step + 2]:
            clock.stepped(copy)


def test_frames_whose_latest_timestep_stays_the_same_for_several_steps():
    """Diffusion forcing: the last frame waits while the first ones are denoised, each by a scheduler of its own."""
    copies = [scheduler() for _ in range(2)]
    clock = Clock()
    for copy in copies:
        clock.timesteps_set(copy)
    for step, told in enumerate([(9, 9), (7, 9), (5, 9), (3, 7), (0, 5), (0, 3)]):
        assert clock.called("a", torch.tensor(told)) == Tick(step, 0)
        for copy in copies[: 1 if step < 2 else 2]:
            clock.stepped(copy)


def test_a_timestep_that_is_always_the_same_does_not_stop_the_clock():
    source = scheduler()
    clock = Clock()
    clock.timesteps_set(source)
    for step in range(4):
        assert clock.called("a", torch.tensor([1])) == Tick(step, 0)
        clock.stepped(source)


def test_repeated_timesteps_are_steps_of_their_own():
    """Solvers of second order evaluate twice at one timestep."""
    source = scheduler((9, 7, 7, 5))
    clock = Clock()
    clock.timesteps_set(source)
    for step, t in enumerate(source.timesteps):
        assert clock.called("a", t.expand(2)) == Tick(step, 0)
        clock.stepped()


@pytest.mark.parametrize("index", range(4))
def test_frames_that_are_given_are_told_that_they_are_without_noise(index):
    source = scheduler((9.0, 7.0, 5.0, 0.0))
    clock = Clock()
    clock.timesteps_set(source)
    assert clock.called("a", torch.stack([torch.zeros(()), source.timesteps[index]])) == Tick(index, 0)


def test_a_repeated_timestep_is_told_apart_by_its_place():
    source = scheduler((9, 7, 7, 5))
    for index in range(4):
        clock = Clock()
        clock.timesteps_set(source)
        assert clock.called("a", source.timesteps[index]).step == index


def test_what_is_no_timestep_begins_at_the_beginning():
    for strange in (None, 4.5, torch.zeros(0), torch.tensor(0.1), "t"):
        clock = Clock()
        clock.timesteps_set(scheduler())
        assert clock.called("a", strange) == Tick(0, 0)


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("computed", [(3,), (3, 1), (4, 3, 1), (7, 5, 4, 0)])
def test_weights_follow_straight_lines_and_add_up_to_one(computed, gain):
    for ahead in (1, 2, 5):
        step = computed[0] + ahead
        by = weights(computed, step, gain)
        assert sum(by) == pytest.approx(1)
        line = sum(w * (2 * t - 3) for w, t in zip(by, computed, strict=True))
        slope = 2 if len(computed) > 1 else 0
        assert line == pytest.approx(2 * computed[0] - 3 + gain * slope * ahead)


def test_weights_of_a_taylor_forecast_by_hand():
    # f(6) from f(4), f(2), f(1): slope (f4 - f2) / 2, curve (slope - (f2 - f1)) / 2, ahead 2
    f = np.array([5.0, 1.0, 2.0])
    slope = (5 - 1) / 2
    curve = (slope - (1 - 2) / 1) / 2
    assert float(np.dot(weights((4, 2, 1), 6), f)) == pytest.approx(5 + slope * 2 + curve * 2**2 / 2)


def test_combine():
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    assert combine([[a]], (1.0,))[0] is a
    (out,) = combine([[a], [b]], (2.0, -1.0))
    assert out.tolist() == [-1.0, -1.0]
    assert a.tolist() == [1.0, 2.0]
    assert combine([[a], [b[:1]]], (2.0, -1.0)) is None


def test_values_that_are_combined_are_let_go_one_after_the_other():
    alive: list[weakref.ref[torch.Tensor]] = []

    def made():
        for value in (1.0, 2.0, 4.0):
            assert not any(ref() is not None for ref in alive)
            tensor = torch.full((3,), value)
            alive.append(weakref.ref(tensor))
            yield [tensor]
            del tensor

    (out,) = combine(made(), (1.0, 2.0, 3.0))
    assert out.tolist() == [17.0] * 3

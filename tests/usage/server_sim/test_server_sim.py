"""The simulated server: queueing theory, conservation, and what each part does, by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.usage.server_sim.ahead import Ahead
from benchmarks.usage.server_sim.arrivals import poisson, timed
from benchmarks.usage.server_sim.outcome import Outcome
from benchmarks.usage.server_sim.server import Run, Server
from benchmarks.usage.server_sim.stages import Point, Stages
from benchmarks.usage.workloads import people
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.trace import Trace

FULL = Point(1.0, float("inf"))
ONE = Stages(text=(0.1,) * 4, step=(0.8,) * 4, decode=(0.1,) * 4, steps=1)
"""One second a batch, of whatever size."""


def run(keys: list[int], times: list[float], owner: int = 0, **settings: object) -> Outcome:
    server = Server(stages=ONE, point=FULL, **settings)
    return Run(server, timed(Trace.of(keys, owner=owner), times)).until()


def answers(outcome: Outcome) -> list[tuple[str, float]]:
    return [(request.how, round(request.answered, 6)) for request in outcome.requests]


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_the_mean_wait_without_batches_is_that_of_m_d_1(load):
    """Pollaczek and Khinchine: load x service / (2 (1 - load))."""
    requests = 60_000
    waits = [
        np.mean(Run(Server(stages=ONE, point=FULL, batch=1), poisson(_distinct(requests), load, seed)).until().waits)
        for seed in (1, 2)
    ]
    assert np.mean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.03)


def _distinct(requests: int) -> Trace:
    return Trace.of(np.arange(1, requests + 1))


def whole(end: float = float("inf")) -> tuple[Run, Outcome]:
    trace = people(1, 1_500)
    server = Server(policy=LRU(60 * 3_990), joining=True, decoded=True, limit=3.0, ahead=Ahead(0.1))
    running = Run(server, poisson(trace, 5.0, 1))
    return running, running.until(end)


@pytest.mark.parametrize("end", [100.0, float("inf")])
def test_every_arrival_is_answered_in_one_way_or_in_the_system(end):
    running, outcome = whole(end)
    arrived = sum(request.at <= outcome.end for request in outcome.requests)
    count = Counter(request.how for request in outcome.requests[:arrived])
    assert (
        count.pop("", 0)
        == running.inside
        == len(running._queue) + len(running._batch) + len(running._hits) + sum(map(len, running._flying.values()))
    )
    assert sum(count.values()) == arrived - running.inside
    assert (running.inside > 0) == (end == 100.0)
    assert min(count["computed"], count["joined"], count["hit"], count["shed"]) > 0


def test_littles_law():
    """Mean number in the system = rate x mean time in it."""
    _, outcome = whole()
    times = sum(request.answered - request.at for request in outcome.requests)
    assert outcome.area == pytest.approx(times, rel=1e-9)
    assert outcome.busy <= outcome.end


def test_those_who_wait_are_computed_together_in_batches():
    outcome = run([1, 2, 3, 4], [0.0, 0.1, 0.2, 0.3], batch=2)
    assert answers(outcome) == [("computed", 1.0), ("computed", 2.0), ("computed", 2.0), ("computed", 3.0)]


def test_a_question_in_flight_is_joined_and_one_that_is_kept_is_a_hit():
    outcome = run([1, 1, 1], [0.0, 0.5, 1.5], joining=True, policy=LRU(10_000))
    assert answers(outcome) == [("computed", 1.0), ("joined", 1.0), ("hit", 1.5)]
    alone = run([1, 1, 1], [0.0, 0.5, 1.5])
    assert answers(alone) == [("computed", 1.0), ("computed", 2.0), ("computed", 3.0)]


def test_a_hit_of_latents_is_decoded_between_the_steps_of_a_batch():
    outcome = run([1, 2, 1], [0.0, 1.5, 1.55], policy=LRU(10_000), decoded=True)
    assert answers(outcome) == [("computed", 1.0), ("computed", 2.6), ("hit", 1.7)]


def test_what_would_wait_too_long_is_shed_at_once():
    outcome = run([1, 2, 3, 4], [0.0, 0.1, 0.2, 0.3], batch=1, limit=1.9)
    assert [how for how, _ in answers(outcome)] == ["computed", "computed", "shed", "shed"]
    assert answers(outcome)[2][1] == 0.2


def test_a_smaller_share_of_work_takes_less_time():
    stages = Stages()
    assert stages.batch_seconds(8, 0.5) == pytest.approx(0.02 + 20 * 0.075 + 0.137)
    assert stages.step_seconds(6, 1.0) == pytest.approx((0.086 + 0.150) / 2)
    assert stages.capacity(8) / stages.capacity(1) == pytest.approx(1.73, abs=0.02)


def test_a_picture_made_ahead_answers_at_once_and_what_is_never_asked_for_is_wasted():
    times = [10.0 * i for i in range(40)]
    outcome = run([7] * 40, times, owner=1, another=True, policy=LRU(10_000), ahead=Ahead(0.15))
    assert [how for how, _ in answers(outcome)][-30:] == ["ahead"] * 30
    assert outcome.wasted < 0.2 * outcome.ahead
    fickle = run(list(range(1, 41)), times, owner=1, another=True, ahead=Ahead(0.0))
    assert fickle.count("ahead") == 0
    assert fickle.wasted == pytest.approx(39.0)
    assert fickle.ahead == pytest.approx(39.0)


def test_an_arrival_interrupts_what_is_made_ahead_between_steps():
    """The picture ahead begins at 1.0; its text takes 0.1 and its step 0.8, at whose end another request is served.

    Afterwards it is begun anew, or goes on with its decoding.
    """
    for resume, spent in ((False, 2.9), (True, 2.0)):
        server = Server(stages=ONE, point=FULL, another=True, ahead=Ahead(0.0, resume=resume))
        requests = timed(Trace.of([7, 8, 9], owner=np.array([1, 2, 3])), [0.0, 1.5, 50.0])
        outcome = Run(server, requests).until()
        assert answers(outcome) == [("computed", 1.0), ("computed", 2.9), ("computed", 51.0)]
        assert outcome.ahead == pytest.approx(spent)
        assert outcome.wasted == pytest.approx(spent)  # nobody asked again


def test_a_run_is_the_same_each_time():
    assert whole()[1].figures() == whole()[1].figures()

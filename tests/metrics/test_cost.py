from types import SimpleNamespace

import numpy as np
import pytest

from evocache.metrics import MetricError, Timing, flops, interleaved
from evocache.schedule import Component, Schedule, Tree


class Clock:
    """Stands still but for what the cases let pass."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_cases_are_run_in_turn_and_back():
    clock, order = Clock(), []

    def case(name, seconds):
        def run():
            order.append(name)
            clock.now += seconds

        return run

    found = interleaved({"a": case("a", 1.0), "b": case("b", 2.0)}, repeats=3, warmup=1, clock=clock)
    assert order == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert found == {"a": Timing((1.0, 1.0, 1.0)), "b": Timing((2.0, 2.0, 2.0))}
    assert found["a"].speedup_over(found["b"]) == 2.0


def test_rounds_end_where_there_is_no_time_for_another():
    clock, asked = Clock(), []

    def run():
        clock.now += 2.0

    def more(rounds):
        asked.append(rounds)
        return clock.now < 7.0

    found = interleaved({"a": run}, repeats=5, warmup=1, clock=clock, more=more)
    assert (asked, found["a"].samples) == ([2, 3, 4], (2.0, 2.0, 2.0))
    found = interleaved({"a": run}, repeats=5, warmup=1, clock=clock, more=lambda rounds: False)
    assert found["a"].samples == (2.0,)


def test_median_quartiles_and_paired_speedup():
    slow, fast = Timing((4.0, 40.0, 6.0, 8.0, 10.0)), Timing((2.0, 20.0, 3.0, 4.0, 5.0))
    assert slow.median == 8.0
    assert slow.quartiles == (6.0, 10.0)
    assert slow.spread == 0.5
    assert fast.speedup_over(slow) == 2.0
    with pytest.raises(MetricError, match="one run"):
        fast.speedup_over(Timing((1.0,)))


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warmup": -1}])
def test_nothing_to_time_is_refused(wrong):
    with pytest.raises(MetricError):
        interleaved({"a": lambda: None}, **wrong)
    with pytest.raises(MetricError):
        interleaved({})


def test_flops_count_what_is_executed():
    """A denoiser of 10 on its own with two leaves of 100 and 1000; the second computes at two steps of four."""
    tree = Tree(
        (
            Component("t", "denoiser"),
            Component("t/a", "attention", 0, "t"),
            Component("t/f", "feed_forward", 0, "t"),
        )
    )
    orders = np.full((4, 3), -1)
    orders[[1, 3], 2] = 0
    probe = SimpleNamespace(exclusive=lambda what: {"t": 10.0, "t/a": 100.0, "t/f": 1000.0})
    assert flops(Schedule(tree, orders), probe) == 4 * 110 + 2 * 1000
    assert flops(Schedule.full(tree, 4), probe) == 4 * 1110

"""Cases that are timed beside one another: rounds, medians, ratios and their middle half."""

import pytest

from evocache.metrics import MetricError, Timing, time_interleaved
from evocache.metrics.timing import run_rounds, shuffle_by
from evocache.schedule.front.comparison import Spread, find_spread


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

    found = time_interleaved({"a": case("a", 1.0), "b": case("b", 2.0)}, repeats=3, warmup=1, clock=clock)
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

    found = time_interleaved({"a": run}, repeats=5, warmup=1, clock=clock, more=more)
    assert (asked, found["a"].samples) == ([2, 3, 4], (2.0, 2.0, 2.0))
    found = time_interleaved({"a": run}, repeats=5, warmup=1, clock=clock, more=lambda rounds: False)
    assert found["a"].samples == (2.0,)


def test_rounds_go_on_and_yield_what_cases_return():
    rounds = run_rounds({"a": lambda: 1, "b": lambda: 2}, lambda names, number: names[: number + 1])
    assert [next(rounds) for _ in range(3)] == [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}]


def test_a_shuffled_order_has_every_name_and_follows_from_the_seed():
    names = list("abcdef")
    orders = [tuple(shuffle_by(3)(names, number)) for number in range(20)]
    assert {tuple(sorted(order)) for order in orders} == {tuple(names)}
    assert len(set(orders)) > 10
    assert orders == [tuple(shuffle_by(3)(names, number)) for number in range(20)]
    assert orders[1] == tuple(shuffle_by(4)(names, 0))


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
        time_interleaved({"a": lambda: None}, **wrong)
    with pytest.raises(MetricError):
        time_interleaved({})


def test_a_spread_is_found_again_under_its_name():
    found = Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found == (2.0, 3.0, 4.0)
    assert find_spread(found.named("speedup")) == found
    assert find_spread(found.named("quality"), "quality") == found

"""Which clock generations are timed by, and what it counts."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from evocache.metrics import Timing, time_interleaved
from evocache.metrics.clocks import PROCESSOR, WALL, clock_of, fair_clock


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_one_thread_on_a_cpu_is_timed_by_what_it_was_given(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    assert fair_clock().name == clock_of(SimpleNamespace()).name == PROCESSOR
    assert clock_of(SimpleNamespace(_execution_device=torch.device("cpu"))).name == PROCESSOR
    assert fair_clock(waits=True).name == WALL  # a disk takes none of it
    assert fair_clock("meta").name == WALL
    torch.set_num_threads(2)
    assert fair_clock().name == WALL  # all threads' time together is not what a user waits for


def test_other_programs_do_not_show_in_processor_time(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which every second of work takes three of waiting, now and then: ratios stay what they are."""
    from evocache.metrics import clocks

    torch.set_num_threads(1)
    now = {"wall": 0.0, "processor": 0.0}
    monkeypatch.setattr(clocks, "process_time", lambda: now["processor"])
    monkeypatch.setattr(clocks, "perf_counter", lambda: now["wall"])
    waits = iter([3, 0, 0, 5, 0, 2, 0, 0, 7, 0, 1, 0])

    def work(seconds: float) -> None:
        now["processor"] += seconds
        now["wall"] += seconds * (1 + next(waits))

    cases = {"uncached": lambda: work(2.0), "half": lambda: work(1.0)}
    timings = time_interleaved(cases, repeats=5, warmup=1, clock=fair_clock())
    assert timings["half"].speedups_over(timings["uncached"]) == (2.0, 2.0, 2.0)


def test_speed_ups_come_with_their_quartiles() -> None:
    found = Timing((1.0, 1.0, 1.0, 1.0, 1.0)).speedups_over(Timing((1.0, 2.0, 3.0, 4.0, 5.0)))
    assert found == (2.0, 3.0, 4.0)
    assert found.relative == pytest.approx(2 / 3)

"""The display of an evolution: what it says and when, and how Ctrl-C is taken."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from evocache.cli.ui.front_table import spread_evenly, tabulate_front
from evocache.cli.ui.live_display import CUT, LONG_SILENCE, Live, draw_sparkline
from evocache.cli.ui.waits import format_duration
from evocache.schedule import Schedule
from evocache.schedule.front.point import Point
from evocache.search.optimise.state import State
from evocache.search.run import Progress
from tests.search.trees import stack

FULL = Schedule.full(stack(), 4)


def point(error: float, latency: float) -> Point:
    return Point(FULL, {"error": error, "latency": latency})


def progress(generation: int, volume: float = 0.5, seconds: float = 5.0) -> Progress:
    points = (point(-20.0, 0.25), point(-80.0, 1.0), point(-10.0, 0.5))
    return Progress(State(generation, points, ("error", "latency"), 40 + generation, 100.0, volume), seconds, 0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Clock, *, terminal: bool = False) -> Live:
    return Live(600.0, console=Console(file=StringIO(), force_terminal=terminal, width=100), clock=clock)


def text(live: Live) -> str:
    console = Console(file=StringIO(), width=100)
    console.print(live.shown())
    return console.file.getvalue()  # type: ignore[attr-defined]


def lines(live: Live) -> list[str]:
    return live.console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_failures_are_counted(clock: Clock) -> None:
    live = made(clock)
    with live:
        live.stage("evolving")
        live.tell(progress(0))
        assert "failed" not in text(live)
        live.tell(replace(progress(1), failed=3))
        assert "41 evaluations, 3 failed" in text(live)


def test_a_generation_that_is_cut_short_is_said(clock: Clock) -> None:
    for terminal in (False, True):
        live = made(clock, terminal=terminal)
        live.stage("evolving")
        live.tell(progress(0))
        assert CUT not in [*lines(live), text(live)]
        last = progress(1)
        live.tell(replace(last, state=replace(last.state, cut=True)))
        assert f"the time is up: {CUT}" in text(live)
        assert terminal or lines(live)[-1] == f"the time is up: {CUT}"
        live._stopping.wished = True
        assert f"stopped: {CUT}" in text(live)


def test_a_terminal_sees_generation_evaluations_volume_front_and_time(clock: Clock) -> None:
    live = made(clock, terminal=True)
    assert "loading" in text(live)
    assert "10:00 to go" in text(live)
    live.stage("evolving")
    live.workers = 2
    live.watch(0, 30)
    assert "seeds: 2 workers are starting\n0 evaluations, 0:00 of 10:00\n" in text(live)
    clock.now += 30
    live.watch(1, 30)
    assert "seeds: 1 of 30 tried\n1 evaluations (2 a minute), 0:30 of 10:00\n" in text(live)
    live.tell(progress(0, 0.5, 40.0))
    clock.now += 5
    live.watch(0, 24)
    live.watch(1, 24)
    live.tell(progress(1, 0.6, 60.0))
    shown = text(live)
    assert "generation 1\n41 evaluations" in shown
    assert "1:00 of 10:00" in shown
    assert "hypervolume 0.6000 (+0.1000 in the last 1)  ▁█" in shown
    assert "quality     20     80" in shown  # the point that is dominated is not shown
    assert "latency 250 ms 1.00 s" in shown
    live.stage("proving")
    live.stage("fora:2 on held-out prompts")
    assert "proving  fora:2 on held-out prompts" in text(live)


@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_line_wraps_and_no_number_is_cut_however_long_it_takes(clock: Clock, width: int) -> None:
    live = Live(36_000.0, console=Console(file=StringIO(), force_terminal=True, width=width), clock=clock)
    live.stage("evolving")
    for generation in range(60):
        last = progress(generation, 0.5 + generation / 200, 20_000.0)
        points = tuple(Point(FULL, {"error": -20.0 - i, "latency": 0.25 + i / 9}) for i in range(30))
        live.tell(replace(last, failed=34, state=replace(last.state, jobs=12_345, points=points)))
    clock.now += 5000
    live.watch(0, 192)
    live.watch(101, 192)
    console = Console(file=StringIO(), width=width)
    console.print(live.shown())
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert shown[0] == "evolving  generation 60: 101 of 192 tried"
    assert " ".join(shown).count("12346 evaluations (1 an hour), 34 failed, 6:56:40 of 10:00:00") == 1
    assert [line.split()[0] for line in shown[-3:]] == ["hypervolume", "quality", "latency"]
    assert len(shown) == 6 if width >= 80 else len(shown) <= 7
    assert "…" not in "".join(shown)
    columns = (len(shown[-2].split()), len(shown[-1].split()))
    assert columns[1] - 1 == 2 * (columns[0] - 1) > 2


def test_elsewhere_a_line_comes_for_each_generation_but_not_too_often(clock: Clock) -> None:
    live = made(clock)
    with live:
        live.stage("evolving")
        for generation in range(4):
            clock.now += 4
            live.watch(1, 10)
            live.tell(progress(generation))
        assert len(lines(live)) == 3  # loading, evolving, generation 2
        assert lines(live)[2].startswith("generation 2, 42 evaluations")
        clock.now += LONG_SILENCE
        live.watch(3, 10)
        assert lines(live)[-1].startswith("generation 4: 3 of 10 tried")
    assert "\x1b" not in "".join(lines(live))


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_a_wish_once_and_breaks_off_twice(clock: Clock) -> None:
    before = signal.getsignal(signal.SIGINT)
    with made(clock) as live:
        live.stage("evolving")
        assert live.watch(1, 8) is False
        assert live.tell(progress(0)) is False
        ctrl_c()
        assert lines(live)[-1].startswith("stopping after the evaluations under way")
        assert live.watch(2, 8) is True
        assert live.tell(progress(1)) is True
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_generation_that_ends_while_the_display_is_drawn_is_shown_after_it(clock: Clock) -> None:
    """The display has a thread of its own: a generation that ends while the clock is read has to wait for it."""
    live = made(clock)
    live.budget = None
    live.stage("evolving")
    live.tell(progress(0))
    live.watch(4, 8)
    ends = threading.Thread(target=lambda: live.tell(progress(1)))

    class Late(Clock):
        """The generation ends when the display reads it first."""

        def __call__(self) -> float:
            if ends.ident is None:
                ends.start()
                ends.join(0.2)
            return self.now

    live.clock = Late()
    before = text(live)
    ends.join()
    assert "generation 1: 4 of 8 tried" in before
    assert "to go of this generation" in before
    assert "generation 1  " in text(live) or "generation 1\n" in text(live)


@pytest.mark.parametrize("stage", ["loading", "calibrating", "proving"])
def test_where_nothing_can_be_waited_for_ctrl_c_breaks_off(clock: Clock, stage: str) -> None:
    with made(clock) as live:
        live.stage(stage)
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()


def test_parts() -> None:
    assert [format_duration(s) for s in (0, 75.9, 3671)] == ["0:00", "1:15", "1:01:11"]
    assert draw_sparkline([1, 1, 1]) == "▁▁▁"
    assert draw_sparkline([0, 0.5, 1]) == "▁▄█"
    points = [point(-float(i), i) for i in range(30)]
    chosen = spread_evenly(points, 8)
    assert len(chosen) == 8
    assert (chosen[0], chosen[-1]) == (points[0], points[-1])


def test_peaks_are_bytes_and_storages_are_shown_where_they_differ() -> None:
    points = [Point(FULL, {"error": -20.0, "peak": 2.0**30}, storage=name) for name in ("none", "int8")]
    console = Console(file=StringIO(), width=80)
    console.print(tabulate_front(points, lambda error: -error))
    rows = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert rows == [["quality", "20", "20"], ["peak", "1.0", "GiB", "1.0", "GiB"], ["stored", "none", "int8"]]
    console = Console(file=StringIO(), width=80)
    console.print(tabulate_front(points[:1] * 2, lambda error: -error))
    assert "stored" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_every_stage_has_a_bar_and_a_time_to_go(clock: Clock) -> None:
    live = made(clock, terminal=True)
    for name in ("loading", "calibrating", "evolving", "proving"):
        live.stage(name, "zoo:emoji")
        clock.now += 60
        assert "zoo:emoji" in text(live)
        assert "━" in text(live)
    assert "6:00 to go" in text(live)
    clock.now += 400
    assert "0:40 late" in text(live)


def test_without_a_limit_stages_have_a_time_to_go_as_far_as_it_is_known(clock: Clock) -> None:
    live = Live(None, console=Console(file=StringIO(), force_terminal=True, width=100), clock=clock)
    live.stage("calibrating")
    clock.now += 20
    assert "0:30 to go of this stage" in text(live)
    live.stage("evolving")
    live.watch(0, 30)
    clock.now += 10
    live.watch(10, 30)
    assert "0:20 to go of this generation" in text(live)

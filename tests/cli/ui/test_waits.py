"""Bars of what commands wait for: how far it is, how long it takes, and that nothing is cut or left behind."""

from __future__ import annotations

import threading
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from evocache.cli.inputs import model_loading
from evocache.cli.ui.waits import Waits
from tests.cli.ui.test_live_display import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Clock, width: int = 80, *, terminal: bool = False) -> Waits:
    return Waits(Console(file=StringIO(), force_terminal=terminal, width=width), clock)


def line(wait: Waits) -> str:
    console = Console(file=StringIO(), width=wait.console.width)
    console.print(wait.shown())
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("\n") == 1
    return " ".join(shown.split())


def left(wait: Waits) -> float | None:
    return wait.wait.estimate_left(wait.clock() - wait.wait.began)


def test_a_wait_that_is_predicted_has_a_time_to_go(clock: Clock) -> None:
    wait = made(clock)
    wait.predict("loading zoo:emoji", 10.0)
    clock.now += 4.0
    assert left(wait) == 6.0
    assert line(wait).startswith("loading zoo:emoji ")
    assert line(wait).endswith("0:04 0:06 to go")
    clock.now += 6.0 + 65.0
    assert line(wait).endswith("1:15 1:05 longer than usual")


def test_a_wait_that_is_counted_has_a_time_to_go_once_something_is_done(clock: Clock) -> None:
    wait = made(clock)
    wait.count("generating, steps", 80)
    clock.now += 3.0
    assert left(wait) is None
    assert line(wait).endswith("0/80 0:03")
    wait.advance(20)
    clock.now += 1.0
    assert left(wait) == 12.0
    assert line(wait).endswith("20/80 0:04 0:12 to go")
    wait.advance(1000)
    assert (wait.wait.done, left(wait)) == (80, 0.0)
    wait.reach(40)
    assert line(wait).startswith("generating, steps")
    assert " 40/80 " in line(wait)


def test_each_wait_begins_anew(clock: Clock) -> None:
    wait = made(clock)
    wait.count("measuring", 4)
    wait.advance(3)
    clock.now += 9.0
    wait.predict("planning", 2.0)
    assert (left(wait), wait.wait.done) == (2.0, 0)
    assert line(wait).startswith("planning ")
    assert "/4" not in line(wait)


def test_a_wait_that_ends_while_it_is_drawn_is_drawn_as_it_was() -> None:
    """The display is drawn in another thread: whatever happens while the clock is read must not be mixed in."""
    clock = Clock()
    wait = made(clock)
    changes = iter([lambda: wait.predict("loading", 5.0), lambda: wait.count("generating, steps", 8)])

    class Late:
        """Another wait begins whenever the display reads it."""

        def __call__(self) -> float:
            wait.clock = clock
            next(changes)()
            wait.clock = self
            clock.now += 1.0
            return clock.now

    wait.count("measuring", 4)
    wait.advance(2)
    wait.clock = Late()
    assert line(wait).startswith("measuring")
    assert wait.wait.name == "loading"
    assert line(wait).startswith("loading")
    assert wait.wait.name == "generating, steps"


def test_what_several_threads_count_is_counted() -> None:
    wait = made(Clock())
    wait.count("measuring", 4000)
    threads = [threading.Thread(target=lambda: [wait.advance() for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wait.wait.done == 4000


@pytest.mark.parametrize("width", [50, 80, 120])
def test_numbers_are_never_cut_and_lines_never_wrap(clock: Clock, width: int) -> None:
    wait = made(clock, width)
    wait.count("loading a-long-name-of-an-owner/a-long-name-of-a-model-of-many-words-768x768", 100_000)
    wait.advance(12_500)
    clock.now += 7200.0
    assert line(wait).endswith("12500/100000 2:00:00 14:00:00 to go")


def test_nothing_is_written_where_there_is_no_terminal_and_nothing_is_left_in_one(clock: Clock) -> None:
    for terminal in (False, True):
        with made(clock, terminal=terminal) as wait:
            wait.predict("planning", 2.0)
        written = wait.console.file.getvalue()  # type: ignore[attr-defined]
        assert bool(written) is terminal
        assert not terminal or written.endswith("\x1b[?25h\x1b[1A\x1b[2K") or "\x1b[2K" in written


def test_loading_is_predicted_from_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(bytes(1000))
    clock = Clock()
    wait = made(clock)
    model_loading.await_loading(wait, "owner/name")
    assert wait.wait.predicted == 1.0  # a second at least: a bar that is full at once tells nothing
    model_loading.await_loading(wait, "other/name")
    assert wait.console.file.getvalue() == "loading other/name from the hub\n"  # type: ignore[attr-defined]

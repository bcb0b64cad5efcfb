"""Signals as a wish to stop."""

import os
import signal

import pytest

from evocache.cli.ui.stop_signals import Stopping, Terminated


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_the_first_signal_is_noted_and_the_second_breaks_off(number, raised):
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    noted = []
    with Stopping(lambda: True, lambda: noted.append(1)) as stopping:
        assert not stopping.wished
        os.kill(os.getpid(), number)
        assert stopping.wished
        with pytest.raises(raised) as found:
            os.kill(os.getpid(), number)
        assert found.type is raised
    assert noted == [1]
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_where_nothing_can_be_waited_for_the_first_breaks_off(number, raised):
    with Stopping(lambda: False, lambda: pytest.fail("noted")), pytest.raises(raised):
        os.kill(os.getpid(), number)


def test_a_signal_of_either_kind_is_the_second_of_the_other():
    with Stopping(lambda: True, lambda: None):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_command_that_is_broken_off_says_so_and_shows_no_traceback(run, monkeypatch):
    for signal_, code in ((KeyboardInterrupt, 130), (Terminated, 143)):

        def stopped(*_, error=signal_, **__):
            raise error

        monkeypatch.setattr("evocache.cli.commands.plan.load_pipeline", stopped)
        result = run("plan")
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.split() == ["interrupted"]


def test_pictures_that_are_written_are_named_when_the_rest_is_broken_off(run, folder, tmp_path, monkeypatch):
    from evocache.cli.commands import generate

    calls = []

    def second_is_stopped(*given, **named):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*given, **named)

    whole = generate.generate_pictures
    monkeypatch.setattr(generate, "generate_pictures", second_is_stopped)
    small = ("--height", 32, "--width", 32, "--set", "use_resolution_binning=false", "--set", "clean_caption=false")
    words = ("generate", "fox", "cat", "dog", "--batch", 1, "-m", folder, *small, "--steps", 2, "--device", "cpu")
    result = run(*words, "-o", tmp_path)
    assert result.exit_code == 130
    assert result.stdout.split() == [str(path) for path in tmp_path.iterdir()]
    assert len(result.stdout.split()) == 1
    assert "interrupted: 1 of 3 are written" in result.stderr

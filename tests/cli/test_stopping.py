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

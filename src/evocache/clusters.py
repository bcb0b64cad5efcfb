"""Connect to a cluster of Ray, or start one on this machine."""

from __future__ import annotations

import logging
import re
import signal
import socket
import threading
from typing import Any

from .errors import Error

PATIENCE = 5.0
"""Seconds to wait for an answer from an address."""


def connect(ray: Any, address: str, kind: type[Error], **settings: Any) -> None:
    """Connect this process to a cluster of Ray.

    Args:
        ray: its module.
        address: `host:port` of the cluster, `auto` for the one that runs on this machine, or `local` for a new one.
        kind: what is raised.
        settings: of `ray.init` besides.

    Raises:
        Error: of that kind, if there is no cluster at the address.
    """
    before = signal.getsignal(signal.SIGTERM)
    expected, mend = "a Ray cluster that can be reached", "start one with `ray start --head`, or check the address"
    try:
        _knock(address)
        ray.init(address=address, logging_level=logging.ERROR, **settings)
    except Exception as error:  # Ray raises many kinds, for an address, a version, a cluster that is not there
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise kind(f"Ray address {address!r} ({why})", expected, mend) from error
    finally:  # a wish to stop is the run's to hear, not Ray's
        restore_sigterm(before)


def disconnect(ray: Any) -> None:
    """Leave a cluster; one that `local` started ends."""
    before = signal.getsignal(signal.SIGTERM)
    ray.shutdown()
    restore_sigterm(before)


def restore_sigterm(before: Any) -> None:
    """Give SIGTERM the handler from before Ray, which sets one of its own as it connects, and none as it goes.

    Args:
        before: what `signal.getsignal` returned then; None for a handler that Python did not set, which stays away.
    """
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Find out at once that nobody listens at an address, for which Ray itself takes minutes.

    Raises:
        OSError: if nobody does.
    """
    named = re.fullmatch(r"(?:ray://)?\[?([^/\]]+)\]?:(\d+)", address)
    if named:
        socket.create_connection((named[1], int(named[2])), timeout=PATIENCE).close()

"""Loops that go on whatever fails in one of their rounds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import StoreError

log = logging.getLogger("evocache.serve")


@contextmanager
def going_on(what: str) -> Iterator[None]:
    """Log what fails in the block, and go on after it; who is cancelled is so.

    Args:
        what: could not be done, in words.
    """
    try:
        yield
    except StoreError as error:
        log.error("%s: %s", what, error)
    except Exception:
        log.exception("%s, by a fault of the server", what)

"""Silence of the hosts' logs in one thread: a dry run's complaints are not the user's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HOSTS = ("diffusers", "transformers")


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Silence what the hosts log from this thread, within the context.

    Modular pipelines log the traceback of whatever ends a block, and a dry run ends where decoded pictures are looked
    at.
    """
    me = threading.get_ident()

    def others(record: logging.LogRecord) -> bool:
        return record.thread != me

    known = logging.Logger.manager.loggerDict
    loggers = [known[name] for name in list(known) if name.partition(".")[0] in HOSTS]
    theirs = [logger for logger in loggers if isinstance(logger, logging.Logger)]
    for logger in theirs:
        logger.addFilter(others)
    try:
        yield
    finally:
        for logger in theirs:
            logger.removeFilter(others)

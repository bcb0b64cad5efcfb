"""Whose fault an error is, and what its owner may read of it."""

from __future__ import annotations

import re

from ....errors import (
    AmountError,
    BudgetError,
    Error,
    FrontError,
    InputError,
    PipelineError,
    PolicyError,
    ScheduleError,
    printable,
    shorten,
)
from ....runtime.joint.proof import is_out_of_memory
from ..updates import Failed

ASKED = (InputError, PipelineError, PolicyError, ScheduleError, FrontError, AmountError)
"""Errors of evocache about what is asked for."""

REFUSALS = (ValueError, TypeError, KeyError, IndexError, NotImplementedError)
"""What pipelines raise for arguments that they do not take."""

MOST = 400
"""Most letters of a text."""

_PATH = re.compile(r"(?<![\w.:/])(?:~|[A-Za-z]:)?(?:[\\/]+[^\s\\/'\"<>|:;,()\[\]]+){2,}[\\/]?")
"""Paths of files from the root, the home or a drive on, of two parts or more."""


def describe_failure(error: BaseException, step: int) -> Failed:
    """Say whose fault an error is, in words without paths of the machine.

    Args:
        error: what the pipeline's call, or the engine for it, raised.
        step: of denoising that it came to; 0 before the first.
    """
    if isinstance(error, (BudgetError, MemoryError)) or (isinstance(error, Exception) and is_out_of_memory(error)):
        return Failed("memory", clean(error))
    if isinstance(error, ASKED) or (isinstance(error, REFUSALS) and not step):
        return Failed("input", clean(error))
    return Failed("pipeline", clean(error))


def clean(error: BaseException) -> str:
    """Return the first line of an error, without paths of the machine."""
    text = shorten(error, MOST)
    named = text if isinstance(error, Error) else f"{type(error).__name__}: {text}"
    return printable(_PATH.sub("(a file)", named))

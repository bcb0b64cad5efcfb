"""Numbers on the command line: how large they may be, and what is refused though Python would take it."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...errors import InputError

MAX_STEPS = 10_000
"""More steps than any generation has, as in files (`schedule.size_limits`)."""

MAX_PIXELS = 1 << 16
"""Most pixels of an edge."""

MAX_SEED = 10**15
"""As in the search."""

MAX_COUNT = 10**6
"""Most prompts, frames, generations and the like."""


def check_amount(value: str | None) -> str | None:
    """Check an option that is an amount of memory, before a model is loaded for it.

    Raises:
        AmountError: if it is none.
    """
    if value is not None:
        from ...units import in_bytes

        in_bytes(value)
    return value


def check_finite(
    option: str, *, above: float | None = None, least: float | None = None
) -> Callable[[float | None], float | None]:
    """Return a check of an option: a finite number above or from a bound. For Python not even `nan` is below a bound.

    Args:
        option: its name, `--guidance`.
        above: it must be more than this, if given.
        least: it must be at least this, if given.
    """

    def check(value: float | None) -> float | None:
        low = -math.inf if least is None else least
        if value is None or (math.isfinite(value) and value >= low and (above is None or value > above)):
            return value
        bound = f" above {above:g}" if above is not None else "" if least is None else f" from {least:g}"
        raise InputError(f"{option} {value:g}", f"a finite number{bound}", f"choose another {option}")

    return check

"""What numbers of settings may be."""

from __future__ import annotations

from typing import Any

from ..errors import ServeError


def check_bounds(
    settings: Any, *names: str, least: float | None = None, above: float = 0.0, most: float = float("inf")
) -> None:
    """Check that fields of settings are finite numbers within bounds; those that are None say nothing.

    Args:
        settings: a dataclass, whose fields have the names.
        names: of the fields.
        least: that they may be; None for anything above `above`.
        above: they must be more than this, where there is no `least`.
        most: that they may be.

    Raises:
        ServeError: if one is not within them.

    >>> from types import SimpleNamespace
    >>> check_bounds(SimpleNamespace(drain=0.0, threads=None), "drain", "threads", least=0)
    """
    low = f"above {above:g}" if least is None else f"from {least:g}"
    expected = f"a finite number {low}" if most == float("inf") else f"a number {low} to {most:g}"
    for name in names:
        value = getattr(settings, name)
        if value is None:
            continue
        inside = value > above if least is None else value >= least
        if not (inside and value <= most and value < float("inf")):  # which nan is not either
            raise ServeError(f"{name} of {value:g}", expected, f"choose another {name}, or leave it out")

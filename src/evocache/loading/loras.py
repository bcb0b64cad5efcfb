"""LoRAs: which of them a request names, in one normal form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real

from ..errors import InputError, short

Loras = tuple[tuple[str, float], ...]
"""LoRAs that act, by name, with their weights; by the order of their names, and without those of weight 0."""


def order_loras(given: Mapping[str, float] | Iterable[str]) -> Loras:
    """Return LoRAs in the order of their names, without those of weight 0, which change nothing.

    Args:
        given: weights by name; or names alone, each of weight 1.

    Raises:
        InputError: if a name is no text, or a weight no finite number.

    >>> order_loras({"ink": 0.8, "clay": 1, "old": 0})
    (('clay', 1.0), ('ink', 0.8))
    """
    if isinstance(given, str) or not isinstance(given, (Mapping, Iterable)):
        raise _refusal(given)
    weights = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, 1.0)
    for name in weights:
        if not isinstance(name, str) or not name:
            raise _refusal(given)
    ordered = ((name, _read_weight(name, weights[name])) for name in sorted(weights))
    return tuple((name, weight) for name, weight in ordered if weight)


def _read_weight(name: str, given: object) -> float:
    """Return a weight as a float, which some whole numbers and fractions are too large for."""
    try:
        weight = math.nan if isinstance(given, bool) or not isinstance(given, Real) else float(given)
    except OverflowError:
        weight = math.inf
    if not math.isfinite(weight):
        raise InputError(f"LoRA {short(name)} with weight {short(given)}", "a finite number", "try 1.0")
    return weight


def _refusal(given: object) -> InputError:
    return InputError(f"loras {short(given)}", "weights by name", 'write them as {"ink": 0.8}')

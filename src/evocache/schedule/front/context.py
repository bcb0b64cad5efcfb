"""What the quality of a schedule depends on beside the prompt: where a point of a front was evolved. Pure.

A front's figures were measured at one guidance scale, size, number of steps and solver, of one model with its adapters.
Elsewhere they say nothing: the same schedule may be worthless at another guidance scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..io import strict_json as sj

Value = str | float | int | bool

STEPS = "num_inference_steps"
"""The number of denoising steps, by the name that pipelines' calls have for it."""


@dataclass(frozen=True)
class Difference:
    """Something in which a call is not as a point was evolved.

    Attributes:
        name: of the argument, or of the part of the pipeline.
        own: what the point was evolved with.
        call: what the call has.
    """

    name: str
    own: Value
    call: Value

    def __str__(self) -> str:
        return f"{self.name} {describe_difference(self.call)} (evolved at {describe_difference(self.own)})"


@dataclass(frozen=True)
class Context:
    """Where a point was evolved, or a call is made: values by name.

    Attributes:
        values: guidance scales, sizes, steps and strength by the names of the pipeline's arguments; `solver`, classes
            of schedulers and a digest of their configs; `adapters` with their weights; `dtype`; `model`, classes of the
            denoisers and a digest of their configs; `weights`, a digest of some. What is not known is left out.
    """

    values: Mapping[str, Value]

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self.values.items())

    def but(self, **values: Value) -> Context:
        """Return the same with other values."""
        return Context({**self.values, **values})

    def differences(self, call: Context) -> tuple[Difference, ...]:
        """Return in what a call is not as this says; what one of the two does not know is no difference."""
        return tuple(
            Difference(name, own, call.values[name])
            for name, own in self
            if name in call.values and not _same(own, call.values[name])
        )

    def __str__(self) -> str:
        return ", ".join(f"{name} {describe_difference(value)}" for name, value in self)


def describe_differences(differences: tuple[Difference, ...]) -> str:
    """Say, in a sentence, in what a call is outside of a point's context."""
    return (
        f"a call outside of what the point was evolved at: {', '.join(map(str, differences))}; its quality is unknown "
        "there. Call it as it was evolved, evolve for this call, or remove the schedule"
    )


def find_shared(contexts: Sequence[Context]) -> Context:
    """Return what several contexts, at least one, have in common."""
    first, *others = contexts
    return Context({name: own for name, own in first if all(other.values.get(name) == own for other in others)})


def read_context(value: Any) -> Context:
    """Return the context in a front's file.

    Raises:
        CodecError: if it is none.
    """
    return Context({name: _value(found, f"context.{name}") for name, found in sj.read_object(value, "context").items()})


def describe_difference(value: Value) -> str:
    """Return a value in a sentence."""
    if value == "":
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(value: Any, where: str) -> Value:
    return value if isinstance(value, (str, bool)) else sj.read_number(value, where)


def _same(own: Value, call: Value) -> bool:
    if isinstance(own, str) or isinstance(call, str):
        return own == call
    return math.isclose(own, call, rel_tol=1e-6, abs_tol=1e-9)

"""What a policy is: a named recipe that yields a schedule for any model that it makes sense for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, ClassVar

from ...errors import PolicyError, ScheduleError, short
from ...schedule import Schedule, Tree, uniform
from ...schedule.size_limits import MAX_STEPS, bounded


@dataclass(frozen=True)
class Policy(ABC):
    """A policy; its fields are its parameters, in the order in which a spec gives them.

    Class attributes: `name` as used in specs, `usage` the form of a spec, `summary` one line, `paper` its source.
    """

    name: ClassVar[str]
    usage: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy."""
        values = [getattr(self, f.name) for f in fields(self)]
        flat = [str(v) for value in values for v in (value if isinstance(value, tuple) else (value,))]
        return f"{self.name}:{','.join(flat)}" if flat else self.name

    @property
    def min_steps(self) -> int:
        """Fewest steps that it can be made for."""
        return 1

    def schedule(self, tree: Tree, steps: int) -> Schedule:
        """The schedule for a component tree and a number of steps.

        Raises:
            PolicyError: if the policy makes no sense for the model or the number of steps, or there would be more cells
                than a schedule may have.
        """
        try:
            bounded(tree, steps)
        except ScheduleError as error:
            raise PolicyError(f"{self.spec} for {error.given}", error.expected, error.mend) from None
        schedule = self.compile(tree, steps)
        return schedule.with_provenance(self.spec) if not schedule.provenance.origin else schedule

    @abstractmethod
    def compile(self, tree: Tree, steps: int) -> Schedule:
        """The schedule, without provenance."""

    def __str__(self) -> str:
        return self.spec

    def refuse(self, tree: Tree, needs: str, mend: str) -> PolicyError:
        """The error for a model that lacks what the policy acts on."""
        kinds = sorted({c.kind for c in tree.components})
        return PolicyError(f"{self.spec} on a model with {', '.join(kinds)}", needs, mend)


def positive(policy: Policy, name: str, value: Any) -> None:
    """Check that a parameter is a positive whole number.

    Raises:
        PolicyError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_STEPS:
        expected = f"a whole number from 1 to {MAX_STEPS}"
        raise PolicyError(f"{name} {short(value)} for {policy.name}", expected, f"write {policy.usage}")


def not_negative(policy: Policy, name: str, value: float, *, whole: bool = False) -> None:
    """Check that a parameter is a number from 0.

    Raises:
        PolicyError: if it is not.
    """
    most = MAX_STEPS if whole else float("inf")
    if not _is_number(value) or not 0 <= value <= most or value == float("inf") or (whole and type(value) is not int):
        expected = f"a whole number from 0 to {MAX_STEPS}" if whole else "a number from 0"
        raise PolicyError(f"{name} {short(value)} for {policy.name}", expected, f"write {policy.usage}")


def share(policy: Policy, name: str, value: float) -> None:
    """Check that a parameter is a share.

    Raises:
        PolicyError: if it is not a number in 0..1.
    """
    if not _is_number(value) or not 0 <= value <= 1:
        raise PolicyError(f"{name} {short(value)} for {policy.name}", "a number in 0..1", f"write {policy.usage}")


def finite(policy: Policy, name: str, *values: float) -> None:
    """Check that parameters are finite numbers.

    Raises:
        PolicyError: if one is not.
    """
    for value in values:
        if not _is_number(value) or not isfinite(value):
            raise PolicyError(f"{name} {short(value)} for {policy.name}", "a finite number", f"write {policy.usage}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def every(steps: int, interval: int) -> range:
    """Steps 0, interval, 2 * interval, ..."""
    return range(0, steps, interval)


def leaf_ids(tree: Tree, *kinds: str) -> list[str]:
    """Ids of the leaves of the kinds named that contain no other component."""
    return [tree.components[i].id for i in tree.leaves if tree.components[i].kind in kinds]


__all__ = ["Policy", "every", "finite", "leaf_ids", "not_negative", "positive", "share", "uniform"]

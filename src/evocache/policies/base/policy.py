"""What a policy is: a named recipe that yields a schedule for any model that it makes sense for."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from ...errors import PolicyError, ScheduleError
from ...schedule import Schedule, Tree
from ...schedule.size_limits import check_size
from .caching_method import CachingMethod


@dataclass(frozen=True)
class Policy(CachingMethod):
    """A caching method that yields a schedule; parameters and class attributes are those of all methods."""

    @property
    def min_steps(self) -> int:
        """Fewest steps that it can be made for."""
        return 1

    def schedule(self, tree: Tree, steps: int) -> Schedule:
        """Return the schedule for a component tree and a number of steps.

        Raises:
            PolicyError: if the policy makes no sense for the model or the number of steps, or there would be more cells
                than a schedule may have.
        """
        try:
            check_size(tree, steps)
        except ScheduleError as error:
            raise PolicyError(f"{self.spec} for {error.given}", error.expected, error.mend) from None
        schedule = self.compile(tree, steps)
        return schedule.with_provenance(self.spec) if not schedule.provenance.origin else schedule

    @abstractmethod
    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Return the schedule, without provenance."""


def list_steps(steps: int, interval: int) -> range:
    """Return the steps 0, interval, 2 * interval, ..."""
    return range(0, steps, interval)


def list_leaf_ids(tree: Tree, *kinds: str) -> list[str]:
    """Return the ids of the leaves of the kinds named that contain no other component."""
    return [tree.components[i].id for i in tree.leaves if tree.components[i].kind in kinds]

"""Which point of a front is given now: down at once where work would wait too long, up again step by step."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...errors import Error

State = Literal["normal", "degraded", "floor", "shedding"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ControlSettings:
    """When points are changed, and when requests are refused; in generations, which are uncached ones alone.

    Attributes:
        target: generations that what waits and runs may take before a faster point is given.
        limit: generations that it may take at the floor before requests are refused. It is above the target by one at
            least: otherwise requests were refused before the front gives way.
        calm: generations for which the level above would have to be easy before it is taken.
        easy: share of the target that is easy.
        fit: share of the capacity that what came during the calm may have needed at a level further above for it to be
            taken at once.
        patience: how many times as long as others those wait who do not wait at the line.

    Raises:
        Error: if the limit is too near to the target, or one of them is out of range.
    """

    target: float = 3.0
    limit: float = 6.0
    calm: float = 5.0
    easy: float = 0.5
    fit: float = 0.8
    patience: float = 20.0

    def __post_init__(self) -> None:
        for name in ("target", "limit", "calm", "easy", "fit", "patience"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise Error(f"{name}={value!r}", "a number above 0", "leave it out for the usual one")
        if self.limit < self.target + 1:
            raise Error(
                f"a limit of {self.limit:g} generations at a target of {self.target:g}",
                f"a limit of at least {self.target + 1:g}, so that the front gives way before requests are refused",
                "raise the limit or lower the target",
            )
        if self.easy > 1 or self.fit > 1 or self.patience < 1:
            raise Error(
                f"easy={self.easy:g}, fit={self.fit:g}, patience={self.patience:g}",
                "shares of at most 1, and a patience of at least 1",
                "leave them out for the usual ones",
            )


class Transition(NamedTuple):
    """A change of state.

    Attributes:
        time: by the clock that the controller is told.
        model: name of the model.
        before: state and level before.
        after: state and level after.
        wait: predicted seconds that what waits and runs takes at the level after (`w`).
    """

    time: float
    model: str
    before: tuple[State, int]
    after: tuple[State, int]
    wait: float


def log_transition(change: Transition) -> None:
    """Write a transition to the log."""
    _LOG.info(
        "%s: %s %d -> %s %d, w = %.3g s", change.model, *change.before, *change.after, change.wait
    )  # fmt: skip


class FrontController:
    """Chooses the level of a model: NORMAL at 0, DEGRADED below, FLOOR at the last, SHEDDING where that is too slow.

    Levels are the points from the best to the floor. `w(i)` is how many seconds what waits and runs would take if what
    waits ran at level `i`. Down: where `w(level)` exceeds the target, to the first level at which it does not. Up: one
    level, where `w(level - 1)` has been at most `easy` of the target for `calm` generations; and further, where also
    what came in that time would have fitted: so a server whose load is gone is back at its best at once.

    Args:
        model: name of the model.
        levels: how many there are.
        generation: seconds of an uncached one.
        settings: target, limit, and what else there is to choose.
        tell: is told of each transition.
    """

    def __init__(
        self,
        model: str,
        levels: int,
        generation: float,
        settings: ControlSettings | None = None,
        tell: Callable[[Transition], None] = log_transition,
    ) -> None:
        self.model, self.levels, self.generation = model, levels, generation
        self.settings = settings or ControlSettings()
        self.level = 0
        self._shedding = False
        self._calm_since: float | None = None
        self._came: deque[tuple[float, Sequence[float]]] = deque()
        self._tell = tell

    @property
    def state(self) -> State:
        """What state it is in."""
        if self._shedding:
            return "shedding"
        if self.level == 0:
            return "normal"
        return "floor" if self.level == self.levels - 1 else "degraded"

    @property
    def target(self) -> float:
        """Seconds that work may take before a faster point is given."""
        return self.settings.target * self.generation

    @property
    def limit(self) -> float:
        """Seconds that work may take at the floor before requests are refused."""
        return self.settings.limit * self.generation

    def arrive(self, now: float, seconds: Sequence[float]) -> None:
        """Note that a request came, let in or not.

        Args:
            now: by the clock.
            seconds: that the workers take for it at each level.
        """
        self._came.append((now, seconds))
        self._forget(now)

    def decide(self, now: float, waits: Sequence[float]) -> int:
        """Return the level from now on.

        Args:
            now: by the clock.
            waits: `w(i)` of each level, in seconds. Between two calls they do not rise: call it at each change.
        """
        before = self.state, self.level
        if self._shedding and waits[-1] <= self.target:
            self._shedding = False
        if waits[self.level] > self.target:
            fits = (level for level in range(self.level, self.levels) if waits[level] <= self.target)
            self.level, self._calm_since = next(fits, self.levels - 1), None
        else:
            self._rise(now, waits)
        self._note(now, before, waits[self.level])
        return self.level

    def shed(self, now: float, wait: float) -> None:
        """Note that a request was refused, as what is there would take so many seconds at the floor."""
        before = self.state, self.level
        self._shedding = True
        self._note(now, before, wait)

    def _rise(self, now: float, waits: Sequence[float]) -> None:
        calm = self.settings.calm * self.generation
        if self.level == 0 or not self._is_easy(waits[self.level - 1]):
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= calm:
            self.level, self._calm_since = self.level - 1, now
            self._forget(now)
            while self.level and self._is_easy(waits[self.level - 1]) and self._fits(self.level - 1, calm):
                self.level -= 1

    def _is_easy(self, wait: float) -> bool:
        return wait <= self.settings.easy * self.target

    def _fits(self, level: int, calm: float) -> bool:
        return sum(seconds[level] for _, seconds in self._came) <= self.settings.fit * calm

    def _forget(self, now: float) -> None:
        while self._came and self._came[0][0] < now - self.settings.calm * self.generation:
            self._came.popleft()

    def _note(self, now: float, before: tuple[State, int], wait: float) -> None:
        after = self.state, self.level
        if after != before:
            self._tell(Transition(now, self.model, before, after, wait))

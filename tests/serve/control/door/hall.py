"""A door, and what is behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from evocache.serve.control.admission import Door, DoorSettings
from evocache.serve.control.backlog import Backlog, Group
from evocache.serve.control.front_control import ControlSettings, FrontController
from evocache.serve.control.predict.capacity import Capacity
from evocache.serve.control.rates import Quota
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner
from evocache.serve.control.ticket import Demand, Ticket

GROUP = Group("emoji")
CONTROL = ControlSettings()


@dataclass
class Hall:
    """A door, and what is behind it."""

    settings: DoorSettings = field(default_factory=DoorSettings)
    quota: Quota = field(default_factory=Quota)
    workers: int = 1

    def __post_init__(self) -> None:
        self.backlog, self.capacity = Backlog(), Capacity()
        self.capacity.workers = self.capacity.room = self.workers
        self.controllers = {
            "emoji": FrontController("emoji", 2, 1.0, CONTROL, lambda change: None),
        }
        self.door = Door(self.settings, self.backlog, self.capacity, self.controllers, lambda owner: self.quota)

    def enter(self, key: str = "a", *, seconds: float = 0.5, now: float = 0.0, **demand: object) -> Ticket:
        """Enter with a demand of one generation of so many seconds at the floor, and twice as many at the best."""
        return self.door.enter(Demand(Owner(key=key), GROUP, (2 * seconds, seconds), **demand), now)  # type: ignore[arg-type]


def refused(hall: Hall, reason: str, *args: object, **demand: object) -> Refused:
    with pytest.raises(Refused) as caught:
        hall.enter(*args, **demand)  # type: ignore[arg-type]
    assert caught.value.reason == reason
    return caught.value

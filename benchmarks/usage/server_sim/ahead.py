"""What an idle worker makes ahead: another picture of the question that an owner will probably ask again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from evocache.usage.profile.habits import Habits

from .arrivals import Request

MOST = 200
"""Owners whose last questions are remembered."""


@dataclass(slots=True)
class Picture:
    """Holds a picture that is made ahead.

    Attributes:
        owner: digest of who will probably ask for it.
        key: digest of the question.
        probability: that the owner asks it again.
        done: parts that are made: text, steps, decoding.
        seconds: that it took so far.
    """

    owner: int
    key: int
    probability: float
    done: int = 0
    seconds: float = 0.0


class Ahead:
    """Chooses what to make ahead, and holds what was made.

    Args:
        threshold: least probability that an owner asks the last question again.
        resume: whether a picture that was interrupted goes on where it was; else it is begun anew.
        everybody: whether everybody's rate is taken for each owner's probability.
    """

    def __init__(self, threshold: float, *, resume: bool = False, everybody: bool = False) -> None:
        self.threshold, self.resume, self.everybody = threshold, resume, everybody
        self.wasted = self.spent = 0.0
        """Seconds of the worker for what was stopped or never asked for, and for all that was made ahead."""
        self._habits = Habits()
        self._waiting: OrderedDict[int, Picture] = OrderedDict()
        self._made: dict[int, Picture] = {}

    def arrived(self, request: Request) -> bool:
        """Note a request; return whether its picture was made ahead."""
        owner, key = request.owner, request.key
        if not owner:
            return False
        made = self._made.pop(owner, None)
        found = made is not None and made.key == key
        if made is not None and not found:
            self.wasted += made.seconds
        self._habits.note(owner, key)
        forecast = self._habits.forecast(owner)
        probability = forecast.everybody if self.everybody else forecast.probability
        began = self._waiting.pop(owner, None)
        if began is not None and (began.key != key or probability < self.threshold):
            self.wasted += began.seconds
            began = None
        if probability >= self.threshold:
            self._waiting[owner] = began or Picture(owner, key, probability)
            if len(self._waiting) > MOST:
                self.wasted += self._waiting.popitem(last=False)[1].seconds
        return found

    def choose(self) -> Picture | None:
        """Return the picture that is asked for most probably; None for nothing."""
        if not self._waiting:
            return None
        return self._waiting.pop(max(self._waiting, key=lambda owner: self._waiting[owner].probability))

    def made(self, picture: Picture) -> None:
        """Hold a picture until its owner's next request; that may have come while it was made."""
        if picture.owner in self._waiting:
            self.wasted += picture.seconds
        else:
            self._made[picture.owner] = picture

    def interrupted(self, picture: Picture) -> None:
        """Take a picture back that is not done, to go on or to begin anew when the worker is idle again."""
        if not self.resume or picture.owner in self._waiting:
            self.wasted += picture.seconds
            picture.done, picture.seconds = 0, 0.0
        self._waiting.setdefault(picture.owner, picture)

    def close(self) -> None:
        """Count what was never asked for as wasted."""
        self.wasted += sum(picture.seconds for picture in (*self._made.values(), *self._waiting.values()))
        self._made.clear()

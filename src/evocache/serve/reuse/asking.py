"""One request, answered from what is stored, from what is being made, and by having the rest made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ..control.desk import Outlook
from ..control.points import UNCACHED
from ..control.refusal import Refused
from ..control.run import Begin
from ..requests.answer import Account, Answer
from ..requests.failures import UnmadeError
from ..workers.updates import Update
from .flights import Flights
from .keys import Question
from .records import Note
from .results import Results
from .waiter import Waiter

PictureListener = Callable[[int, Update], None]
"""Takes the number of a picture among those asked for, and what became of it."""


@dataclass(frozen=True)
class Asked:
    """What a request allows.

    Attributes:
        outlook: what it would be given now.
        cache: what it allows (`requests.request.Wishes.cache`).
        repeats: whether an equal result answers it.
        deadline: seconds from now.
        hurries: whether it has a deadline, or asks for a speed-up.
        watch: is told what becomes of it.
        previews: most that are told of each picture.
        attempt: at what was promised, from 1; 0 of a plain call.
    """

    outlook: Outlook
    cache: Literal["use", "refresh", "off"]
    repeats: bool
    deadline: float | None
    hurries: bool
    watch: PictureListener | None
    previews: int
    attempt: int = 0

    @property
    def durable(self) -> bool:
        """Whether it was promised."""
        return self.attempt > 0

    @property
    def patient(self) -> bool:
        """Whether nobody waits for it."""
        return self.durable and self.deadline is None


class Asking:
    """A request for some pictures.

    Args:
        asked: what it allows.
        questions: the pictures.
        notes: what is noted of each.
        results: what is stored.
        flights: what is being made.
    """

    def __init__(
        self,
        asked: Asked,
        questions: Sequence[Question],
        notes: Sequence[Note],
        results: Results,
        flights: Flights,
    ) -> None:
        self._asked, self._questions, self._notes = asked, questions, notes
        self._results, self._flights = results, flights
        self._stored: dict[int, Answer] = {}
        self._waiters: dict[int, Waiter] = {}

    async def answer(self, begin: Begin) -> list[Answer]:
        """Return the answers; what nobody waits for any more ends, however this ends.

        Args:
            begin: has what is missing made.

        Raises:
            Refused: if something has to be made, and there is no room for it now.
            UnmadeError: if one of them failed.
        """
        ended = "failed"
        try:
            await self._look(self._asked.outlook.place)
            try:
                return await self._make(begin)
            except Refused:
                await self._look(self._asked.outlook.ladder.last)  # what is asked for, though less than was hoped for
                if self._missing:
                    raise
                return await self._wait()
        except Refused:
            ended = "shed"
            raise
        except (UnmadeError, asyncio.CancelledError) as error:
            if self._asked.durable and getattr(error, "goes_back", True):
                ended = "later"
            raise
        finally:
            for waiter in self._waiters.values():
                waiter.leave()
            if ended != "later" and not (ended == "shed" and self._asked.durable):  # else another attempt notes it
                self._note_unanswered(ended)

    @property
    def _missing(self) -> list[int]:
        return [at for at in range(len(self._questions)) if at not in self._stored and at not in self._waiters]

    async def _look(self, worst: int) -> None:
        """Look for what is being made, and for what is stored.

        Args:
            worst: place of the least point that a stored result may have.
        """
        if self._asked.cache != "use" or not self._asked.repeats:
            return
        self._join()
        for at in self._missing:
            found = await self._results.find(self._questions[at], lambda label: self._is_good(label, worst))
            if found is None:
                continue
            stored, task = found.stored, self._questions[at].task
            said = stored.point, stored.speedup, stored.quality, "exact", {"load": found.seconds}, stored.notes
            account = Account(task.id, task.seed, *said, loras=task.loras)  # type: ignore[arg-type]
            self._stored[at] = Answer(found.picture, account, stored.files)
            size, saved = len(stored.file), stored.seconds
            took = {"load": found.seconds}
            self._note_hit(at, took, size=size, saved=saved, tier=found.tier, point=stored.point)
        self._join()  # what was begun while others were looked for

    def _note_hit(self, at: int, seconds: Mapping[str, float], **figures: Any) -> None:
        """Note a picture that was there; one that is looked for again may be what an earlier attempt made and noted."""
        if self._asked.attempt > 1:
            self._notes[at].ended = True
        self._notes[at].end("hit", seconds, **figures)

    def _is_good(self, label: str, worst: int) -> bool:
        labels = [UNCACHED if point is None else point.label for point in self._asked.outlook.ladder.points]
        return label in labels[: worst + 1]

    def _join(self) -> None:
        asked = self._asked
        for at in self._missing:
            question = self._questions[at]
            flight = self._flights.find(question, asked.outlook, asked.hurries, asked.durable, asked.patient)
            if flight is not None:
                watch, kept = self._watch(at), partial(self._note, at)
                self._waiters[at] = flight.join(watch, asked.previews, kept, deadline=asked.deadline)

    async def _make(self, begin: Begin) -> list[Answer]:
        missing = self._missing
        if not missing:
            return await self._wait()
        keep = None if self._asked.cache == "off" else self._results.keep
        with begin([self._questions[at].task for at in missing]) as runs:
            for at, run in zip(missing, runs, strict=True):
                flight = self._flights.begin(self._questions[at], run, keep, open=keep is not None)
                watch, kept = self._watch(at), partial(self._note, at)
                self._waiters[at] = flight.join(watch, self._asked.previews, kept, joined=False)
            return await self._wait()

    async def _wait(self) -> list[Answer]:
        await asyncio.gather(*(waiter.answer for waiter in self._waiters.values()))
        made = {at: waiter.answer.result() for at, waiter in self._waiters.items()}
        return [self._stored[at] if at in self._stored else made[at] for at in range(len(self._questions))]

    def _watch(self, at: int) -> Callable[[Update], None]:
        watch = self._asked.watch
        return (lambda update: None) if watch is None else partial(watch, at)

    def _note(self, at: int, answer: Answer, bytes: int, seconds: float) -> None:
        """Note a picture that was made, once it is known what it takes."""
        account, waiter, note = answer.account, self._waiters[at], self._notes[at]
        if not waiter.joined:
            stages = {stage: took for stage, took in account.seconds.items() if stage != "predicted"}
            note.end("skipped" if self._asked.cache == "off" else "miss", stages, size=bytes, point=account.point)
        elif account.reuse == "exact":
            self._note_hit(at, {"wait": waiter.waited}, size=bytes, saved=seconds, tier="memory", point=account.point)
        else:
            note.end("joined", {"wait": waiter.waited}, size=bytes, saved=seconds, point=account.point)

    def _note_unanswered(self, kind: str) -> None:
        """Note what has no answer, and will have none."""
        for at, note in enumerate(self._notes):
            waiter = self._waiters.get(at)
            answered = waiter is not None and waiter.answer.done() and not waiter.answer.cancelled()
            if not answered or (waiter is not None and waiter.answer.exception() is not None):
                note.end(kind)

"""All reuse across requests together: what a service asks before it has anything made."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...usage.keys.secret import installation_secret
from ..control.desk import Outlook
from ..control.run import Begin, Run
from ..requests.answer import Account, Answer
from ..requests.identity import Identity
from ..requests.request import SEEDS, GenerationRequest
from ..workers.card import ModelCard
from ..workers.updates import Made
from .asking import Asked, Asking, PictureListener
from .flights import Flights
from .keys import Keys, Question
from .records import FILE, Records
from .results import Results
from .settings import ReuseSettings

CACHE = "cache"
"""Name of the folder of results, in the server's folder."""


class Reuse:
    """Answers requests from what is stored and what is being made, and has the rest made.

    Args:
        settings: what is shared, and how much is kept.
        account: makes the account of a run that is over.
        folder: of the server; None if nothing is to outlive it. It holds the cache's part on the disk, unless there is
            a database: then machines share the folder, and a file of SQLite is for the processes of one.
        database: URL for records, in place of a file in the folder.
        shared: URL of a server that machines share.
        secret: keys digests; if None, the installation's where something is to outlive the server.
        clock: the dispatcher's.
    """

    def __init__(
        self,
        settings: ReuseSettings,
        account: Callable[[Run, Made], Account],
        *,
        folder: Path | None = None,
        database: str | None = None,
        shared: str | None = None,
        secret: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        if secret is None:
            lasts = folder is not None or database is not None or shared is not None
            secret = installation_secret() if lasts else os.urandom(32)
        self._keys = Keys(secret, within_tenant=settings.within_tenant)
        own = folder if database is None else None
        self._results = Results(settings, secret, None if own is None else own / CACHE, shared)
        self._flights = Flights(account, clock)
        self.records = Records(self._keys, database or (None if folder is None else folder / FILE))

    async def answer(
        self,
        request: GenerationRequest,
        who: Identity,
        card: ModelCard,
        outlook: Outlook,
        begin: Begin,
        *,
        watch: PictureListener | None = None,
        previews: int = 0,
        seed: int | None = None,
        attempt: int = 0,
    ) -> list[Answer]:
        """Answer a request; if this is cancelled, what nobody else waits for ends within a step.

        Args:
            request: what is asked for, as `requests.fit.check` returned it.
            who: who asks.
            card: of its model.
            outlook: what it would be given now.
            begin: lets what is missing in at the door, and has it made.
            watch: is told what becomes of each picture.
            previews: most that are told of each.
            seed: of the first picture, as `draw_seed` returned it when it was promised; None draws it now.
            attempt: at what was promised, from 1: that waits for nothing which ends with its client, and is recorded
                once; 0 of a plain call.

        Raises:
            Refused: if something has to be made, and there is no room for it now.
            UnmadeError: if one of them failed; the others end, unless somebody else waits for them.
        """
        wishes, first = request.wishes, self.draw_seed(request, who, card) if seed is None else seed
        questions = self._questions(request, who, card, first)
        asked = Asked(
            outlook,
            wishes.cache,
            self._repeats(request),
            wishes.deadline,
            wishes.speedup is not None or wishes.deadline is not None,
            watch,
            previews,
            attempt,
        )
        notes = [self.records.note(question, learn=wishes.learn) for question in questions]
        return await Asking(asked, questions, notes, self._results, self._flights).answer(begin)

    def _questions(self, request: GenerationRequest, who: Identity, card: ModelCard, first: int) -> list[Question]:
        """What is asked for, picture by picture, with a new id for each."""
        base, seeded, found = request.task(), request.seed is not None, list[Question]()
        for at in range(request.count):
            task = replace(base, id=f"gen_{secrets.token_hex(16)}", seed=first + at)
            found.append(self._keys.question(task, card, who, seeded=seeded, at=at))
        return found

    async def forget(self, request: GenerationRequest, who: Identity, card: ModelCard, seed: int) -> None:
        """Forget what is stored of a request, in all tiers; records of it stay.

        Args:
            request: what was asked for.
            who: who asked.
            card: of its model.
            seed: of the first picture.
        """
        for question in self._questions(request, who, card, seed):
            await self._flights.settle(question.name)
            await self._results.forget(question)

    def draw_seed(self, request: GenerationRequest, who: Identity, card: ModelCard) -> int:
        """Return the seed of a request's first picture: its own, that of all equal requests where these are answered
        from what is stored, or another one each time.
        """
        if request.seed is not None:
            return request.seed
        return self._keys.seed(request.task(), card, who) if self._repeats(request) else secrets.randbelow(SEEDS)

    def _repeats(self, request: GenerationRequest) -> bool:
        """Whether an equal result answers a request."""
        return request.seed is not None or (self._settings.unseeded and request.wishes.cache != "off")

    def figures(self) -> dict[str, Any]:
        """Return counts of all requests by how they were answered, and gauges of what is made and kept."""
        gauges = {"seconds_saved": self.records.saved, "flights": len(self._flights), **self._results.figures()}
        return {"counts": dict(self.records.counts), **gauges}

    async def close(self) -> None:
        """Wait until what is being stored is stored, write what is to be written, and let files go."""
        await self._flights.close()
        await self._results.close()
        await asyncio.to_thread(self.records.close)

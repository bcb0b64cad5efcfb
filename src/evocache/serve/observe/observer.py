"""The observer: told how requests ended, it counts, and notes that for the line of the request."""

from __future__ import annotations

from collections.abc import Mapping

from ..database.database import Database
from ..workers.card import ModelCard
from ..workers.task import Value
from .metrics import Metrics
from .notes import notes
from .outcome import Outcome
from .tally_store import TallyBook, TallyStore


class Observer:
    """Counts for operators (metrics) and for holders of keys (sums). Threads may tell it.

    Attributes:
        metrics: for Prometheus.
        book: sums by key, day and model.
    """

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.book = TallyBook(None)

    def open(self, database: Database) -> None:
        """Write sums to a database from now on."""
        self.book = TallyBook(TallyStore(database), self.book.tallies)
        self.book.start()

    async def close(self) -> None:
        """Write what is not written yet; the database is still open then."""
        await self.book.close()

    def told(self, outcome: Outcome, card: ModelCard, arguments: Mapping[str, Value]) -> None:
        """Take how a request for generations ended.

        Args:
            outcome: how.
            card: of its model.
            arguments: of the pipeline's call that were given.
        """
        of = notes()
        if of is not None:
            of.outcomes.append(outcome)
        self.metrics.outcome(outcome, card, arguments)
        self.book.tallies.add(outcome, card)

    def refused(self, tenant: str, key: str) -> None:
        """Take that a request was not let in."""
        self.book.tallies.add(Outcome(tenant, key, "", "refused", 0.0), None)

"""How a request for generations ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..requests.answer import Account
from ..workers.card import ModelCard
from ..workers.task import Value

End = Literal["made", "refused", "failed", "left"]
"""`refused` at the door; `left`: it was cancelled, as nobody waited for it any more."""


@dataclass(frozen=True)
class Outcome:
    """How a request for generations ended.

    Attributes:
        tenant: whose.
        key: id of its API key.
        model: name of the model.
        end: how it ended.
        seconds: from its arrival to its end.
        accounts: of what was made.
        reason: why it was refused or failed, in a word.
    """

    tenant: str
    key: str
    model: str
    end: End
    seconds: float
    accounts: tuple[Account, ...] = ()
    reason: str = ""

    @property
    def computed(self) -> float:
        """Seconds of a worker that it took."""
        return sum(computed(account) for account in self.accounts)

    def saved(self, card: ModelCard | None) -> float:
        """Return seconds of a worker that it would have taken more if everything was computed, and for itself alone.

        What was computed at a point would have taken its speed-up times as long; of what was not computed at all the
        model's own figure is taken. It is an estimate.
        """
        return sum(_saved(account, card) for account in self.accounts)


def computed(account: Account) -> float:
    """Return the seconds of a worker that one generation took; none if it was reused."""
    return account.seconds.get("compute", 0.0) if account.reuse == "none" else 0.0


def steps_of(account: Account, card: ModelCard, arguments: Mapping[str, Value]) -> int:
    """Return the denoising steps of a generation: those of its point, else those that were asked for, or the usual."""
    found = next((point.steps for point in card.points if point.label == account.point), None)
    steps = found or arguments.get("num_inference_steps") or card.defaults.get("num_inference_steps")
    return steps if isinstance(steps, int) else 0


def _saved(account: Account, card: ModelCard | None) -> float:
    if account.reuse != "none":
        return 0.0 if card is None else card.seconds
    return computed(account) * max(0.0, (account.speedup or 1.0) - 1.0)

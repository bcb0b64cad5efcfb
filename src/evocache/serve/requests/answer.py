"""What is answered: what was made, and the account of how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..workers.task import Picture

Reuse = Literal["none", "exact", "joined"]


@dataclass(frozen=True)
class Account:
    """How something was made.

    Attributes:
        id: of the generation.
        seed: that it was made with.
        point: label of the front's point; `uncached` where everything was computed.
        speedup: of the point, as it was measured when its front was.
        quality: that the point is predicted to have, in the front's measure; None if unknown.
        reuse: `exact` from a stored result, `joined` with an equal request in flight, else `none`.
        seconds: by stage: `queue`, `compute` and others.
        notes: what else is to be said, such as that the front promises nothing for this call.
        loras: LoRAs that acted, with their weights.
        measured: of its point: mean `quality` in dB of so many `samples` of the same key; empty while there are none.
    """

    id: str
    seed: int
    point: str = "uncached"
    speedup: float | None = None
    quality: float | None = None
    reuse: Reuse = "none"
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    loras: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON, seconds in thousandths, without what is unknown."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, (), {})}
        return {**known, "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}}


@dataclass(frozen=True)
class Answer:
    """What was made, and how.

    Attributes:
        picture: what was made.
        account: how.
        files: the same by format (`png`, lossless `webp`), where it is there as a file already.
    """

    picture: Picture
    account: Account
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)

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
        notes: what else is to be said of it, such as that the front promises nothing for this call.
        run_notes: what is said of how it ran, such as that memory was short; it is not true of who gets it later.
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
    run_notes: tuple[str, ...] = ()
    loras: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON, seconds in thousandths, all notes as `notes`, without what is unknown."""
        values = {**asdict(self), "notes": self.notes + self.run_notes}
        del values["run_notes"]
        known = {name: value for name, value in values.items() if value not in (None, (), {})}
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

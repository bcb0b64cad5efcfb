"""What a worker told, kept for tests, and what plain calls give."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any, TypeVar

import numpy as np
import torch

from evocache.serve.workers.updates import Cancelled, Failed, Made, Update

ENDS = (Made, Failed, Cancelled)

Kind = TypeVar("Kind")


class Told:
    """Is told of tasks, and waits for what is told."""

    def __init__(self) -> None:
        self.of: defaultdict[str, list[Update]] = defaultdict(list)
        self._news = threading.Condition()

    def __call__(self, id: str, update: Update) -> None:
        with self._news:
            self.of[id].append(update)
            self._news.notify_all()

    def first(self, id: str, kind: type[Kind] | tuple[type[Any], ...], seconds: float = 120) -> Kind:
        """Wait for the first update of a kind."""

        def found() -> Any:
            return next((update for update in self.of[id] if isinstance(update, kind)), None)

        with self._news:
            assert self._news.wait_for(lambda: found() is not None, seconds), f"{id}: {self.of[id]}"
            return found()  # type: ignore[no-any-return]

    def end(self, id: str, seconds: float = 120) -> Any:
        """Wait for the end of a task."""
        return self.first(id, ENDS, seconds)

    def ends(self, id: str) -> list[Update]:
        """All ends that were told of a task."""
        return [update for update in self.of[id] if isinstance(update, ENDS)]


def plainly(pipe: Any, seed: int, **arguments: Any) -> bytes:
    """The bytes of what a pipeline gives: its first picture, or the frames of its first film."""
    output = pipe(generator=torch.Generator("cpu").manual_seed(seed), output_type="pil", **arguments)
    frames = output["frames"][0] if "frames" in output else output["images"][:1]
    return b"".join(np.asarray(frame.convert("RGB")).tobytes() for frame in frames)

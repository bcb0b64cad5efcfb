"""Workers without a model, for a process that starts at once."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from evocache.errors import BudgetError, ModelError
from evocache.serve.workers.card import ModelCard, PointCard
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.teller import Teller
from evocache.serve.workers.updates import Cancelled, Failed, Made, Previewed, Progressed
from evocache.serve.workers.worker import Tell, WorkerSettings

STUB = f"{__name__}:StubWorker"


def card(name: str) -> ModelCard:
    """What the stub says of a model."""
    points = (PointCard(0, "aa", 1.5, 40.0, 4), PointCard(1, "bb", 2.5, None, 2))
    defaults = {"height": 2, "guidance_scale": 2.5, "negative_prompt": None}
    arguments = frozenset({"prompt", "image", "steps", "do"})
    return ModelCard(name, "picture", arguments, defaults, points, 0.01, 12, "f1", {"height": 2}, 16)


class StubWorker:
    """Does what tasks say in `do`, each in a thread; `steps` steps of a millisecond, if they say nothing."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._cancelled: set[str] = set()
        self._done = 0
        self._teller: Teller | None = None

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        if "refused" in self._settings.models:
            raise ModelError("model 'refused'", "another", "try that")
        if "refused second" in self._settings.models and self._settings.slot == 1:
            raise ModelError("model 'refused second'", "another", "try that")
        if "large" in self._settings.models:
            raise BudgetError(1000, {"weights": 2000})
        if "fails" in self._settings.models:
            raise RuntimeError("no luck\nat all")
        if "slow" in self._settings.models:
            time.sleep(1000)
        if "dies" in self._settings.models:
            os._exit(3)
        self._teller = Teller(tell)
        return [card(name) for name in self._settings.models]

    def submit(self, task: Task) -> None:
        if task.arguments.get("do") == "raise":
            raise RuntimeError("a fault of its own")
        self._teller.open(task.id)
        threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: Task) -> None:
        do, steps = task.arguments.get("do"), int(task.arguments.get("steps") or 3)
        if do == "segfault":
            ctypes.string_at(0)
        if do == "exit":
            os._exit(7)
        if do == "hold the lock":  # as a library may that never gives it back
            ctypes.PyDLL(None).sleep(1000)
        if do == "write":
            print("said", task.arguments["prompt"], flush=True)
        for step in range(steps):
            self._teller.post(task.id, Progressed(step + 1, steps))
            if task.id in self._cancelled:
                self._teller.post(task.id, Cancelled())
                return
            time.sleep(0.001)
        self._done += 1
        if do == "fail":
            self._teller.post(task.id, Failed("input", "as it was asked"))
            return
        given = task.pictures.get("image")
        pixels = given.pixels if given else task.seed.to_bytes(8, "big") * 3
        self._teller.post(task.id, Made(Picture(pixels, 2, 4), {"compute": 0.5}, ("a note", str(task.arguments))))

    def cancel(self, id: str) -> None:
        self._cancelled.add(id)

    def preview(self, id: str) -> None:
        self._teller.post(id, Previewed(1, Picture(b"\x01\x02\x03", 1, 1)))

    def figures(self) -> Mapping[str, Any]:
        return {"done": self._done, "pid": os.getpid()}

    def close(self) -> None:
        if "stays" in self._settings.models:
            time.sleep(1000)
        if self._teller is not None:
            self._teller.close(Cancelled())

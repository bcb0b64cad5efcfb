"""A worker that makes pictures of numbers, without a model: what servers are tested with."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evocache.serve.workers.card import LoraCard, ModelCard, PointCard
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Cancelled, Failed, Made, Previewed, Progressed, Update
from evocache.serve.workers.worker import Tell

POINTS = (
    PointCard(0, "good", 1.5, 46.0, 20),
    PointCard(1, "fast", 2.5, 38.0, 16),
    PointCard(2, "rough", 3.5, 30.0, 10),
)

STILL = ModelCard(
    "stub",
    "picture",
    frozenset({"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "height", "width", "strength"})
    | {"image", "mask_image"},
    {"num_inference_steps": 20, "guidance_scale": 2.5, "height": 8, "width": 8},
    POINTS,
    seconds=0.02,
    bytes=1000,
    fingerprint="f" * 16,
    context={"guidance_scale": 2.5, "height": 8, "width": 8},
)

INKED = replace(
    STILL,
    name="inked",
    loras=(
        LoraCard("ink", 0.8, 100, "1" * 16, (PointCard(3, "inky", 2.0, 36.0, 20),), {"guidance_scale": 2.5}),
        LoraCard("clay", 1.0, 100, "2" * 16),
    ),
)
"""A model with two LoRAs, of which the first has a front of its own."""

MOVING = ModelCard(
    "moving",
    "video",
    frozenset({"prompt", "num_inference_steps", "guidance_scale", "height", "width", "num_frames"}),
    {"num_inference_steps": 20, "guidance_scale": 2.5, "height": 8, "width": 8, "num_frames": 4},
    (),
    seconds=0.05,
    bytes=1000,
    fingerprint="m" * 16,
)


def picture_of(task: Task, width: int = 8, height: int = 8, frames: int = 1) -> Picture:
    """The picture that a stub makes of a task: another for each prompt, seed, point and set of arguments."""
    about = json.dumps(
        [task.model, dict(task.arguments), task.seed, task.point, dict(task.loras)], sort_keys=True
    ).encode()
    length = width * height * 3 * frames
    pixels = b"".join(hashlib.sha256(about + bytes([at % 256])).digest() for at in range(length // 32 + 1))
    return Picture(pixels[:length], width, height, frames)


class StubWorker:
    """Makes what `picture_of` says, after `steps` steps that a test may hold up.

    A prompt that begins with "fail" fails, with the word after it as the reason.

    Attributes:
        tasks: that were submitted, in order.
        gate: steps are taken while it is set.
        steps: of each task.
        seconds: of each step.
    """

    def __init__(self, *cards: ModelCard, steps: int = 4, seconds: float = 0.0) -> None:
        self.cards = cards or (STILL,)
        self.tasks: list[Task] = []
        self.gate = threading.Event()
        self.gate.set()
        self.steps, self.seconds = steps, seconds
        self._lock = threading.Lock()
        self._open: dict[str, threading.Event] = {}
        self._wishes: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._tell: Tell | None = None

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        self._tell = tell
        return self.cards

    def submit(self, task: Task) -> None:
        with self._lock:
            self.tasks.append(task)
            gone = self._open[task.id] = threading.Event()
        thread = threading.Thread(target=self._run, args=(task, gone), daemon=True)
        self._threads.append(thread)
        thread.start()

    def cancel(self, id: str) -> None:
        with self._lock:
            if id in self._open:
                self._open[id].set()

    def preview(self, id: str) -> None:
        with self._lock:
            self._wishes.add(id)

    def figures(self) -> Mapping[str, Any]:
        return {"tasks": len(self.tasks)}

    @property
    def open_tasks(self) -> set[str]:
        """Ids of tasks that are not over."""
        with self._lock:
            return set(self._open)

    def close(self) -> None:
        for id in self.open_tasks:
            self.cancel(id)
        for thread in self._threads:
            thread.join(10)

    def _run(self, task: Task, gone: threading.Event) -> None:
        card = next(card for card in self.cards if card.name == task.model)
        values = {**card.defaults, **task.arguments}
        shape = int(values["width"]), int(values["height"]), int(values.get("num_frames", 1))
        for step in range(1, self.steps + 1):
            self._say(task.id, Progressed(step, self.steps))
            while not self.gate.wait(0.005) and not gone.is_set():
                pass
            if gone.wait(self.seconds) if self.seconds else gone.is_set():
                return self._end(task.id, Cancelled())
            with self._lock:
                wished = task.id in self._wishes
                self._wishes.discard(task.id)
            if wished:
                self._say(task.id, Previewed(step, picture_of(task, 4, 4)))
        words = str(task.arguments.get("prompt", "")).split()
        if words[:1] == ["fail"]:
            return self._end(task.id, Failed(words[1], "it failed, as it was told to"))  # type: ignore[arg-type]
        return self._end(task.id, Made(picture_of(task, *shape), {"compute": card.seconds, "wait": 0.0}))

    def _say(self, id: str, update: Update) -> None:
        assert self._tell is not None
        self._tell(id, update)

    def _end(self, id: str, update: Update) -> None:
        with self._lock:
            del self._open[id]
        self._say(id, update)

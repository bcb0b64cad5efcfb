"""A worker that computes nothing: batches of pictures that take as long as they were measured to take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from evocache.errors import GenerationError
from evocache.serve.control.dispatch import Dispatcher
from evocache.serve.workers.card import ModelCard, PointCard
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Cancelled, Failed, Made, Previewed, Progressed
from evocache.serve.workers.worker import Tell

SOLO = 0.81
"""Seconds of an uncached picture alone."""

EIGHT = 1 / 2.43
"""Seconds of a picture of eight that are computed together."""

STEPS = 10
PICTURE = Picture(b"", 0, 0)
POINTS = (
    PointCard(0, "front6", 1.6, 47.0, 20),
    PointCard(1, "front5", 2.2, 43.0, 18),
    PointCard(2, "front3", 2.87, 30.2, 14),
    PointCard(3, "front2", 4.2, 23.7, 10),
)
CARD = ModelCard(
    name="emoji",
    kind="picture",
    arguments=frozenset({"prompt", "num_inference_steps", "guidance_scale", "height", "width"}),
    defaults={"num_inference_steps": 20, "guidance_scale": 2.5, "height": 64, "width": 64},
    points=POINTS,
    seconds=SOLO,
    bytes=1,
    fingerprint="0",
    context={"num_inference_steps": 20, "guidance_scale": 2.5, "height": 64, "width": 64},
)

_numbers = count()


def task(model: str = "emoji", **arguments: Any) -> Task:
    """A task of its own id."""
    return Task(f"t{next(_numbers)}", model, {"prompt": "fox", **arguments}, seed=1)


def cost(together: int) -> float:
    """Seconds of a picture of some that are computed together, uncached."""
    gain = min(1.0, (together - 1) / 7)
    return SOLO + (EIGHT - SOLO) * gain**0.5


class StubWorker:
    """Computes tasks of a model together, a step at a time, in the time of the loop that it is made in.

    Models take turns: the one that had least time is next.

    Args:
        cards: what it says it holds.
        rows: most that are computed together; others wait for their step.
    """

    def __init__(self, cards: Sequence[ModelCard] = (CARD,), rows: int = 8) -> None:
        self.cards, self.rows = {card.name: card for card in cards}, rows
        self.given: list[Task] = []
        self.previews: list[str] = []
        self.gone = self.closed = False
        self.deadly: Callable[[Task], bool] = lambda task: False
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[str, tuple[Task, int, float]] = {}  # steps that are done, seconds that were computed
        self._turns = False
        self._used: dict[str, float] = dict.fromkeys(self.cards, 0.0)
        self._cancelled: set[str] = set()

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        self._tell = tell
        return list(self.cards.values())

    def submit(self, task: Task) -> None:
        if self.gone:
            raise GenerationError("a task for a worker that is closed", "one that runs", "start another")
        self.given.append(task)
        if self.deadly(task):
            self._tasks[task.id] = task, 0, 0.0
            self.die()
            return
        self._tasks[task.id] = task, 0, 0.0
        if not self._turns:
            self._turns = True
            self._loop.call_soon(self._turn)

    def cancel(self, id: str) -> None:
        self._cancelled.add(id)

    def preview(self, id: str) -> None:
        self.previews.append(id)
        self._tell(id, Previewed(1, PICTURE))

    def figures(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self.closed = True

    def die(self) -> None:
        """Lose all tasks, as a process that is killed and replaced."""
        lost, self._tasks = list(self._tasks), {}
        for id in lost:
            self._tell(id, Failed("worker", "killed"))

    def _seconds(self, task: Task) -> float:
        """Of all of a task, if it were computed alone."""
        card = self.cards[task.model]
        share = 1.0 if task.point is None else 1.0 / card.points[task.point].speedup
        steps = task.arguments.get("num_inference_steps", 20)
        assert isinstance(steps, int)
        return card.seconds * share * steps / 20

    def _turn(self) -> None:
        for id in self._cancelled & self._tasks.keys():
            del self._tasks[id]
            self._tell(id, Cancelled())
        self._cancelled.clear()
        models = {task.model for task, _, _ in self._tasks.values()}
        turn = min(models, key=lambda model: self._used[model], default="")
        chosen = [id for id, (task, _, _) in self._tasks.items() if task.model == turn][: self.rows]
        self._turns = bool(chosen)
        if chosen:
            gain = cost(len(chosen)) / SOLO
            each = {id: self._seconds(self._tasks[id][0]) * gain / STEPS for id in chosen}
            for id in chosen:
                self._tell(id, Progressed(self._tasks[id][1] + 1, STEPS))
            took = sum(each.values())
            self._used = {name: max(used, self._used[turn]) for name, used in self._used.items()}
            self._used[turn] += took
            self._loop.call_later(took, self._stepped, each)

    def _stepped(self, each: dict[str, float]) -> None:
        for id, seconds in each.items():
            if id not in self._tasks or id in self._cancelled:
                continue
            task, steps, computed = self._tasks.pop(id)
            if steps + 1 == STEPS:
                self._tell(id, Made(PICTURE, {"compute": computed + seconds}))
            else:
                self._tasks[id] = task, steps + 1, computed + seconds
        self._turn()


async def dispatcher_with(*workers: StubWorker, open: int = 8, **settings: Any) -> Dispatcher:
    """A dispatcher in virtual time that has workers."""
    dispatcher = Dispatcher(clock=asyncio.get_running_loop().time, **settings)
    for worker in workers:
        await dispatcher.add(worker, open)
    return dispatcher

"""What replicas of the tests hold: stubs in their own process, which tests hold up from outside by files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers.task import Task
from evocache.serve.workers.updates import Cancelled, Previewed, Progressed, Update
from tests.serve.stub_worker import MOVING, STILL, StubWorker

ENDLESS, SHOWN = "endless", "shown"
"""First words of prompts: begun and not made; held up until it has shown a preview, and then by `HOLD_SHOWN`."""

HOLD_FILMS, HOLD_SHOWN = "hold-films", "hold-shown"
"""Names of files; while they are there, such things are not made."""

LONGEST = 60.0
"""Seconds that anything is held up at most."""


class ReplicaStub(StubWorker):
    """A stub that notes what it begins and what was cancelled, as files: `begun WORD` with its process, `left WORD`.

    The word is the second of the prompt.

    Args:
        folder: for these files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(STILL, MOVING)
        self._folder = folder
        self._words: dict[str, list[str]] = {}
        self._shown: set[str] = set()

    def _run(self, task: Task, gone: threading.Event) -> None:
        words = self._words[task.id] = [*str(task.arguments.get("prompt", "")).split(), "", ""]
        (self._folder / f"begun {words[1]}").write_text(str(os.getpid()))
        film = task.model == MOVING.name
        self._hold(gone, lambda: words[0] == ENDLESS or (film and (self._folder / HOLD_FILMS).exists()))
        super()._run(task, gone)

    def _say(self, id: str, update: Update) -> None:
        super()._say(id, update)
        words, gone = self._words[id], self._open.get(id)
        if words[0] == SHOWN and gone is not None:
            if isinstance(update, Previewed):
                self._shown.add(id)
                self._hold(gone, (self._folder / HOLD_SHOWN).exists)
            elif isinstance(update, Progressed) and 2 * update.step >= update.steps and id not in self._shown:
                self._hold(gone, lambda: id not in self._wishes)  # a preview is wished for in the middle
        if isinstance(update, Cancelled):
            (self._folder / f"left {words[1]}").touch()

    @staticmethod
    def _hold(gone: threading.Event, held: Callable[[], bool]) -> None:
        end = time.monotonic() + LONGEST
        while held() and time.monotonic() < end and not gone.wait(0.02):
            pass


def make_service(settings: Settings) -> Service:
    """Make the service of a replica."""
    assert settings.folder is not None
    return Service(settings, [ReplicaStub(settings.folder)])

"""A worker in a process of its own, by the contract of one in this."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from ...errors import GenerationError
from .card import ModelCard
from .channel import Channel, Message
from .messages import pack_start, pack_task, read_cards, read_error, read_update
from .task import Task
from .teller import Teller
from .updates import Cancelled, Failed
from .worker import Tell, WorkerSettings

LOCAL = "evocache.serve.workers.local:LocalWorker"

PATIENCE = 10.0
"""Seconds that a process may take to close, before it is killed."""

LINE = 2000
"""Most letters of a line that it writes."""

QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}
"""Warnings of these libraries repeat prompts, which are nobody's in a log."""

COMMAND = "import sys; sys.path = [p for p in sys.path if p]; from evocache.serve.workers.child import main; main()"
"""Nothing of the folder where the server happens to be started is imported."""

log = logging.getLogger(__name__)

OUTPUT = logging.getLogger("evocache.serve.workers.output")
"""Logger of what processes write: words of any library, of which a server's log takes what quotes no request."""


class ProcessWorker:
    """Computes tasks in a process that it starts, as `Worker` says.

    What becomes of tasks is told as the process tells it. If the process ends, whatever ended it, each task that was
    open has `Failed` with the reason `worker`, and the worker is gone: another one has to be made.

    Args:
        settings: what it holds.
        name: for the log.
        worker: class of the worker in the process: its module and name, with a colon between them.
        when_gone: is told why, once, if the process has ended and was not closed, after the ends of its tasks.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        name: str = "worker",
        worker: str = LOCAL,
        when_gone: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self._settings, self._kind, self._when_gone = settings, worker, when_gone
        self._process: subprocess.Popen[bytes] | None = None
        self._teller: Teller | None = None
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._started: queue.SimpleQueue[Message | str] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closing = self._ready = False
        self._change = threading.Lock()
        self._figures: Mapping[str, Any] = {}
        self._pinged = self._answered = 0
        self._heard = time.monotonic()

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        """Start the process and have it load its models; return what they are.

        Raises:
            Error: of evocache, as the worker in the process raises it.
            GenerationError: if the process ends before that, if this one was started before, or is closed.
        """
        with self._change:
            if self._process is not None or self._closing:
                raise GenerationError(f"{self.name}, started twice or closed", "a new worker", "make another")
            self._spawn(tell)
        self._outbox.put(pack_start(self._kind, self._settings))
        found = self._started.get()
        if isinstance(found, Message) and found.header["kind"] == "started":
            self._ready = True
            return read_cards(found)
        self._closing = True
        self.kill()
        self._join()
        if isinstance(found, Message):
            raise read_error(found)
        raise GenerationError(f"{self.name}, which ended as it started ({found})", "one that starts", "see its log")

    def submit(self, task: Task) -> None:
        """Begin a task as soon as there is room; what becomes of it is told.

        Raises:
            GenerationError: if a task of its id is not over, or the process does not run; nothing is told then.
        """
        if self._teller is None or not self._ready:
            raise GenerationError("a task for a worker that does not run", "one that does", "start it")
        self._teller.open(task.id)
        self._outbox.put(pack_task(task))

    def cancel(self, id: str) -> None:
        """End a task within a step; of one that is over or unknown nothing happens."""
        self._outbox.put(Message({"kind": "cancel", "id": id}))

    def preview(self, id: str) -> None:
        """Have a preview of a task told, if it is one that has them."""
        self._outbox.put(Message({"kind": "preview", "id": id}))

    def figures(self) -> Mapping[str, Any]:
        """Return counts of what it had done when it last answered a ping, and how many tasks are open now."""
        return {**self._figures, "open": len(self)}

    def __len__(self) -> int:
        """Return how many tasks are open."""
        return 0 if self._teller is None else len(self._teller)

    @property
    def pid(self) -> int | None:
        """Of the process; None before it is started."""
        return None if self._process is None else self._process.pid

    def ping(self) -> None:
        """Ask whether it still answers."""
        if self._answered == self._pinged:
            self._heard = time.monotonic()
        self._pinged += 1
        self._outbox.put(Message({"kind": "ping", "number": self._pinged}))

    @property
    def silence(self) -> float:
        """Seconds since the first ping that it has not answered; 0 if it has answered all."""
        return 0.0 if self._answered == self._pinged else time.monotonic() - self._heard

    def kill(self) -> None:
        """End the process at once; its tasks are told so."""
        with suppress(OSError):
            if self._process is not None:
                self._process.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """End all tasks, each of which is told, and the process; one that does not end soon is killed."""
        with self._change:
            first, self._closing = not self._closing, True
            process = self._process
        if process is None:
            return
        if first:
            self._outbox.put(Message({"kind": "close"}))
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            log.warning("%s does not close within %g seconds, and is killed", self.name, PATIENCE)
            self.kill()
        self._join()

    def _spawn(self, tell: Tell) -> None:
        own, theirs = socket.socketpair()
        reading, self._lifeline = os.pipe()
        paths = [*filter(None, sys.path)]
        environment = {**QUIET, **os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", COMMAND, str(theirs.fileno()), str(reading)],
                    pass_fds=(theirs.fileno(), reading),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a key in the server's terminal is not for it
                )
            finally:
                os.close(reading)
        self._channel, self._teller = Channel(own), Teller(tell, name=f"evocache {self.name} tells")
        for act, given in ((self._write, ()), (self._read, ()), (self._log, (self._process.stdout,))):
            name = f"evocache {self.name} {act.__name__}"
            self._threads.append(threading.Thread(target=act, args=given, name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        """Send what is in the outbox, so that nobody waits for a process that does not read."""
        while (message := self._outbox.get()) is not None:
            try:
                self._channel.send(message)
            except OSError:  # it is gone, which who reads sees as well
                return

    def _read(self) -> None:
        """Pass on what the process tells, until it is gone."""
        process, teller = self._process, self._teller
        assert process is not None
        assert teller is not None
        while True:
            try:
                self._hear(self._channel.receive(), teller)
            except EOFError:
                break
            except Exception:  # it tells what is nothing
                log.exception("%s is not understood", self.name)
                break
        self._end(process, teller)

    def _hear(self, message: Message, teller: Teller) -> None:
        kind = message.header["kind"]
        if kind == "told":
            teller.post(*read_update(message))
        elif kind == "pong":
            self._figures, self._answered = message.header["figures"], message.header["number"]
            self._heard = time.monotonic()
        elif kind in ("started", "refused"):
            self._started.put(message)

    def _end(self, process: subprocess.Popen[bytes], teller: Teller) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE if self._closing else 1.0)
        self.kill()  # what has closed its channel is of no use
        why = _describe_end(process.wait())
        self._outbox.put(None)
        self._channel.close()
        os.close(self._lifeline)
        self._started.put(why)
        closed = self._closing
        teller.close(Cancelled() if closed else Failed("worker", f"the process that computed it ended ({why})"))
        if not closed:
            log.error("%s has ended (%s)", self.name, why)
            if self._when_gone is not None:
                self._when_gone(why)

    def _log(self, written: IO[bytes]) -> None:
        """Log what the process writes, under its name."""
        with written:
            while line := written.readline(LINE):
                text = line.decode(errors="replace").rstrip()
                if text:
                    OUTPUT.info("%s: %s", self.name, text)

    def _join(self) -> None:
        if self._teller is not None and self._teller.is_here:  # the others wait for what is told
            return
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(PATIENCE)


def _describe_end(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"

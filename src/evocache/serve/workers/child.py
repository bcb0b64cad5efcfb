"""The process of a worker: it does what its server says, and does not outlive it."""

from __future__ import annotations

import faulthandler
import fcntl
import os
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .channel import Channel, Message
from .messages import pack_cards, pack_error, pack_update, read_start, read_task
from .updates import Failed, Update

if TYPE_CHECKING:
    from .worker import Worker


class Child:
    """Runs a worker behind a channel.

    Args:
        channel: to its server.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._worker: Worker | None = None

    def run(self) -> None:
        """Start what the server names, and do what it says until it says that it closes."""
        name, settings = read_start(self._channel.receive())
        reader = threading.Thread(target=self._obey, name="evocache worker reader", daemon=True)
        reader.start()  # it answers, and sees the server's end, while models are loaded
        try:
            worker = _find_worker(name)(settings)
            cards = worker.start(self._tell)
        except Exception as error:
            self._channel.send(pack_error(error))
            return
        self._worker = worker
        self._channel.send(pack_cards(cards))
        reader.join()
        worker.close()

    def _obey(self) -> None:
        """Do what messages say, until one says that it closes; without a server, end at once."""
        while True:
            try:
                message = self._channel.receive()
            except EOFError:
                os._exit(0)
            kind, worker = message.header["kind"], self._worker
            if kind == "close":
                if worker is None:  # it still starts
                    os._exit(0)
                return
            if kind == "ping":
                figures = {} if worker is None else dict(worker.figures())
                self._channel.send(Message({"kind": "pong", "number": message.header["number"], "figures": figures}))
            elif worker is not None:
                self._pass(worker, message)

    def _pass(self, worker: Worker, message: Message) -> None:
        header = message.header
        try:
            if header["kind"] == "submit":
                worker.submit(read_task(message))
            elif header["kind"] == "cancel":
                worker.cancel(header["id"])
            elif header["kind"] == "preview":
                worker.preview(header["id"])
        except Exception as error:  # a fault of the worker's own, which goes on
            traceback.print_exc()
            if header["kind"] == "submit":
                self._tell(header["task"]["id"], Failed("worker", f"its worker failed ({type(error).__name__})"))

    def _tell(self, id: str, update: Update) -> None:
        try:
            self._channel.send(pack_update(id, update))
        except OSError:
            os._exit(0)


def _find_worker(name: str) -> Any:
    module, _, kind = name.partition(":")
    return getattr(import_module(module), kind)


def end_with(lifeline: int) -> None:
    """Have the kernel kill this process when nobody holds the other end of a pipe any more.

    A thread that waits for that cannot where a library holds the interpreter's lock, and the signal that Linux sends at
    the death of a parent comes at the end of the thread that made the process.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    with suppress(AttributeError, OSError):  # elsewhere the signal is SIGIO, which ends a process as well
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def main() -> None:
    """Run a worker behind the socket whose number is the first argument; the second is of the lifeline."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are the server's, which lets its tasks end
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()
    descriptor, lifeline = (int(text) for text in sys.argv[1:3])
    end_with(lifeline)
    channel = Channel(socket.socket(fileno=descriptor))
    with suppress(EOFError, OSError):  # the server is gone
        Child(channel).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads that hang

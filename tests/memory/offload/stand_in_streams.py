"""Stand-ins for the streams of a device: each thread is in one, and what they are told is logged."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from evocache.memory.device_streams import DeviceStreams


class Stream:
    """A stream that has a number and does nothing."""

    def __init__(self, number: int, log: list[str]) -> None:
        self.number = number
        self.log = log
        self.events = 0

    def wait_stream(self, other: Stream) -> None:
        self.log.append(f"{self.number} waits for {other.number}")

    def record_event(self) -> str:
        self.events += 1
        return f"event {self.events - 1} of {self.number}"

    def wait_event(self, event: str) -> None:
        self.log.append(f"{self.number} waits for {event}")


class StandIns(DeviceStreams):
    """Streams of the CPU. All threads begin in the first."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.log: list[str] = []
        self._count = 0
        self.first = self.new()
        self._local = threading.local()

    def new(self) -> Stream:
        self._count += 1
        return Stream(self._count - 1, self.log)

    def current(self) -> Stream:
        return getattr(self._local, "stream", self.first)

    @contextmanager
    def within(self, stream: Any) -> Iterator[None]:
        before, self._local.stream = self.current(), stream
        try:
            yield
        finally:
            self._local.stream = before

    def record(self, tensors: Iterable[torch.Tensor], stream: Any) -> None:
        self.log.append(f"{stream.number} records {len(list(tensors))}")

"""The disk tier: features in a file, written and read by a thread of their own."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from ...errors import DeviceError
from .folders import choose_folder
from .tier import Parked, strides


class DiskTier:
    """Features in a file without a name, which goes with the process, however it ends.

    One thread writes and reads, in the order in which it is asked. Room that a dropped feature leaves is used again.

    Args:
        folder: where the file is; made if there is none. One for temporary files (`choose_folder`) when not given.
        holds: what it holds, as messages say it.

    Raises:
        DeviceError: if no file can be made there.
    """

    name = "disk"

    def __init__(self, folder: str | os.PathLike[str] | None = None, holds: str = "features") -> None:
        self._folder = choose_folder() if folder is None else os.fspath(folder)
        self._other = "set TMPDIR to another one" if folder is None else "choose another one"
        self._holds = holds
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="evocache-")  # noqa: SIM115  (`close` does)
        except OSError as error:
            given = f"the folder {self._folder} ({error.strerror}), where {holds} were to wait"
            raise DeviceError(given, "one that can be written", self._other) from error
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="evocache-disk")
        self._lock = threading.Lock()
        self._free: dict[int, list[int]] = {}
        self._end = 0

    def park(self, tensors: Sequence[torch.Tensor]) -> Parked:
        """Start writing a feature."""
        return _OnDisk(self, tensors)

    def close(self) -> None:
        """End the thread, and with the file all that is in it."""
        self._worker.shutdown(cancel_futures=True)
        self._file.close()

    def room(self, size: int) -> int:
        """Offset of free room in the file."""
        with self._lock:
            if self._free.get(size):
                return self._free[size].pop()
            self._end += size
            return self._end - size

    def leave(self, offset: int, size: int) -> None:
        """Room that is free again."""
        with self._lock:
            self._free.setdefault(size, []).append(offset)

    def submit(self, job: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have the thread do something, after all that it was asked before."""
        return self._worker.submit(job, *args)

    def write(self, offset: int, data: memoryview) -> None:
        """Write all bytes to the file.

        Raises:
            DeviceError: if the disk is full, or fails.
        """
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file.fileno(), data[done:], offset + done)
        except OSError as error:
            raise DeviceError(
                f"{error.strerror} while {len(data)} bytes of {self._holds} were written to {self._folder}",
                "a disk with room for what does not fit the memory",
                f"free some of its disk, or {self._other}",
            ) from error

    def read(self, offset: int, into: memoryview) -> None:
        """Read as many bytes as there is room for."""
        done = 0
        while done < len(into):
            count = os.preadv(self._file.fileno(), [into[done:]], offset + done)
            if not count:
                raise self.damaged()
            done += count

    def damaged(self) -> DeviceError:
        """Return the error that what was read is not what was written."""
        return DeviceError(
            f"{self._holds} that came back from {self._folder} other than they went there",
            "a disk that keeps what is written to it",
            f"check its disk; for another folder, {self._other}",
        )


class _OnDisk:
    """A feature in the file of a disk tier."""

    def __init__(self, tier: DiskTier, tensors: Sequence[torch.Tensor]) -> None:
        self._tier = tier
        self._like = [(t.shape, strides(t), t.dtype) for t in tensors]
        self._sizes = [t.numel() * t.element_size() for t in tensors]
        self._offsets = [tier.room(size) for size in self._sizes]
        self._sums: list[int] = []
        self._leaving: Future[Any] | None = tier.submit(self._write, list(tensors))
        self._coming: Future[Any] | None = None

    def _write(self, tensors: list[torch.Tensor]) -> None:
        for tensor, offset in zip(tensors, self._offsets, strict=True):
            data = _bytes(tensor)
            self._sums.append(zlib.crc32(data))
            self._tier.write(offset, data)

    def _read(self) -> list[torch.Tensor]:
        out = []
        for (shape, stride, dtype), offset, sum_ in zip(self._like, self._offsets, self._sums, strict=True):
            tensor = torch.empty_strided(shape, stride, dtype=dtype)
            data = _bytes(tensor)
            self._tier.read(offset, data)
            if zlib.crc32(data) != sum_:
                raise self._tier.damaged()
            out.append(tensor)
        return out

    def settle(self) -> float:
        seconds = 0.0
        if self._leaving is not None:
            seconds = _waited(self._leaving)
            self._leaving = None
        return seconds

    def fetch(self) -> None:
        if self._coming is None:
            self._coming = self._tier.submit(self._read)

    def take(self) -> tuple[list[torch.Tensor], float]:
        self.fetch()
        assert self._coming is not None
        seconds = _waited(self._coming)
        tensors, self._coming = self._coming.result(), None
        return tensors, seconds

    def drop(self) -> None:
        for job in (self._leaving, self._coming):
            if job is not None and not job.cancel():
                job.exception()  # what is under way uses the room that is given back
        for offset, size in zip(self._offsets, self._sizes, strict=True):
            self._tier.leave(offset, size)


def _bytes(tensor: torch.Tensor) -> memoryview:
    """A tensor's bytes, in the order of its strides: its own memory where that has no gaps, else a copy."""
    dense = torch.empty_strided(tensor.shape, strides(tensor), dtype=tensor.dtype)
    if tensor.stride() == dense.stride():
        dense = tensor
    else:
        dense.copy_(tensor)
    flat = dense.detach().as_strided((dense.numel(),), (1,))
    return memoryview(flat.view(torch.uint8).numpy())  # type: ignore[arg-type]


def _waited(job: Future[Any]) -> float:
    """Seconds until a job is done, whose error is raised if it failed."""
    if job.done():
        job.result()
        return 0.0
    began = time.perf_counter()
    job.result()
    return time.perf_counter() - began

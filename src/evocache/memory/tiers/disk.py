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
from .tier import Parked, strides


class DiskTier:
    """Features in a file without a name, which goes with the process, however it ends.

    One thread writes and reads, in the order in which it is asked. Room that a dropped feature leaves is used again.

    Args:
        folder: where the file is; the system's folder for temporary files when not given.
    """

    name = "disk"

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, prefix="evocache-")  # noqa: SIM115  (closed by `close`)
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
            folder = tempfile.gettempdir()
            raise DeviceError(
                f"{error.strerror} while {len(data)} bytes of features were swapped to disk",
                "a disk with room for what does not fit the memory",
                f"free some, or set TMPDIR to another folder than {folder}",
            ) from error

    def read(self, offset: int, into: memoryview) -> None:
        """Read as many bytes as there is room for."""
        done = 0
        while done < len(into):
            count = os.preadv(self._file.fileno(), [into[done:]], offset + done)
            if not count:
                raise _damaged()
            done += count


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
                raise _damaged()
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


def _damaged() -> DeviceError:
    return DeviceError(
        "a feature that came back from disk other than it went there",
        "a disk that keeps what is written to it",
        "check the disk, or set TMPDIR to a folder on another one",
    )

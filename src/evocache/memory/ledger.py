"""The ledger: bytes of all tensors that are alive, allocation by allocation, real and fake ones alike."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from .cudnn_workspace import Workspace


@dataclass
class Extent:
    """Bytes alive over a stretch of a computation.

    Attributes:
        entry: when it began.
        peak: at most.
        exit: when it ended.
    """

    entry: int
    peak: int
    exit: int = 0

    @property
    def surge(self) -> int:
        """By how much the peak lies above what was alive already."""
        return self.peak - self.entry


class _Alive:
    """What is alive: all that a storage's finalizer knows, as finalizers are kept as long as what they wait for.

    Attributes:
        bytes: of the counted storages.
        known: storages that are counted, or known without being counted.
    """

    __slots__ = ("bytes", "known")

    def __init__(self) -> None:
        self.bytes = 0
        self.known: set[int] = set()

    def gone(self, key: int, size: int) -> None:
        """A storage is not there any more."""
        self.known.discard(key)
        self.bytes -= size


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors' storages from the operation that made them until nothing refers to them.

    What an operation takes and gives back within itself (a convolution's workspace) is not seen, but may be told.
    Tensors that were there before are counted if they are adopted.

    Args:
        granularity: sizes are rounded up to multiples of it; 512 is what PyTorch's CUDA allocator does.
        call: how an operation is called, given its arguments.
        on: the type of device whose tensors are counted; all when not given.
        workspace: what operations hold while they run; nothing when not given.

    A ledger is held by nothing that it counts: it goes with whoever uses it, whatever is still alive.

    Attributes:
        operations: how many were done.
    """

    def __init__(
        self,
        granularity: int = 1,
        call: Callable[..., Any] | None = None,
        on: str | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._workspace = workspace
        self._call = call or (lambda func, args, kwargs: func(*args, **kwargs))
        self._on = on
        self.granularity = granularity
        self.operations = 0
        self._alive = _Alive()
        self._open: list[Extent] = []

    @property
    def bytes(self) -> int:
        """Bytes alive now."""
        return self._alive.bytes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = self._call(func, args, kwargs or {})
        self.operations += 1
        self.adopt(leaf for leaf in tree_iter(out) if isinstance(leaf, torch.Tensor))
        within = self._workspace(func, args, out) if self._workspace is not None else 0
        if within:
            for extent in self._open:
                extent.peak = max(extent.peak, self.bytes + within)
        return out

    def adopt(self, tensors: Iterable[torch.Tensor]) -> None:
        """Count tensors that are not counted yet."""
        alive = self._alive
        for tensor in tensors:
            if self._on is not None and tensor.device.type != self._on:
                continue
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in alive.known:
                continue
            size = -(-storage.nbytes() // self.granularity) * self.granularity
            alive.known.add(key)
            alive.bytes += size
            weakref.finalize(storage, alive.gone, key, size).atexit = False
            for extent in self._open:
                extent.peak = max(extent.peak, alive.bytes)

    def ignore(self, tensors: Iterable[torch.Tensor]) -> None:
        """Take tensors for known without counting them; they must live as long as the ledger."""
        self._alive.known.update(tensor.untyped_storage()._cdata for tensor in tensors)

    @contextmanager
    def owing(self, tensors: Iterable[torch.Tensor]) -> Iterator[None]:
        """Take off, within the context, what goes of these tensors.

        What takes its place counts anew, so that only the difference does. They are known, and not counted themselves.

        Args:
            tensors: what was there before, such as weights, which a pipeline may convert and convert back.
        """
        owed = []
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._alive.known:
                self._alive.known.add(storage._cdata)
                size = -(-storage.nbytes() // self.granularity) * self.granularity
                owed.append(weakref.finalize(storage, self._alive.gone, storage._cdata, size))
        try:
            yield
        finally:
            for finalizer in owed:
                finalizer.detach()

    def begin(self) -> Extent:
        """Start following an extent; extents may overlap in any way."""
        extent = Extent(self.bytes, self.bytes)
        self._open.append(extent)
        return extent

    def end(self, extent: Extent) -> None:
        """Stop following an extent."""
        extent.exit = self.bytes
        self._open = [e for e in self._open if e is not extent]

    @contextmanager
    def extent(self) -> Iterator[Extent]:
        """Measure an extent over a `with` block."""
        extent = self.begin()
        try:
            yield extent
        finally:
            self.end(extent)

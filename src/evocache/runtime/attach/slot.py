"""Slots: what an attached module does inside a compiled region, with nothing in it that breaks the graph.

The compiler traces every module of a region. It would trace stores, branches and counters as well: they break the
graph, and they change its guards at every call. So features are read before the region is entered, and stored after it
was left. Inside the region a module finds a *slot*, which hands a tensor in or out. Graphs then differ only in which
slots there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...model.outputs import fill_blank, pack, unpack


class Slot:
    """What a module finds when it is called in a region; `run` is traced, all else is not.

    Attributes:
        order: places of the region's slots, in the order in which their modules were called.
        place: the number of this slot in its region.
        replayed: whether the region may be a graph of CUDA.
    """

    def __init__(self) -> None:
        self.order: list[int] = []
        self.place = 0
        self.replayed = False

    def run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        raise NotImplementedError

    def settle(self) -> None:
        """Do what is to be done for the next of the calls that a region made, which was left."""


class Through(Slot):
    """The module computes, and nothing of it is handed out."""

    def run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Compute."""
        return original(module, *args, **kwargs)


class Given(Slot):
    """The module computes, and its output is handed out of the region.

    It is handed out as a copy: in a compiled region nothing tells whether the host has written into it.

    Args:
        after: what is done with each output.
    """

    def __init__(self, after: Callable[[Any], None]) -> None:
        super().__init__()
        self.outputs: list[Any] = []
        self.after = after

    def run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Compute."""
        output = original(module, *args, **kwargs)
        self.outputs.append(copy_tensors(output))
        self.order.append(self.place)
        return output

    def settle(self) -> None:
        """Hand the next output on; graphs of CUDA write theirs over the last."""
        output = self.outputs.pop(0)
        self.after(copy_tensors(output, "cuda") if self.replayed else output)


class Fed(Slot):
    """The module does not compute: it returns what was handed into the region, call by call.

    Args:
        outputs: one for each call of the module; further calls compute.
        after: what is done after each of them.
    """

    def __init__(self, outputs: list[Any], after: Callable[[], None]) -> None:
        super().__init__()
        self.outputs = outputs
        self.calls = 0
        self.after = after

    def run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Return what was handed in."""
        calls = self.calls
        if calls >= len(self.outputs):
            return original(module, *args, **kwargs)
        self.calls = calls + 1
        self.order.append(self.place)
        return self.outputs[calls]

    def settle(self) -> None:
        """Note that one call was served."""
        self.after()


class Bare(Fed):
    """The module does not compute, and nobody reads what it returns: it is made in the region, of stand-ins.

    Stand-ins take no memory. What is made of them lives as long as the graph has it, and is the host's to write into.
    """

    def run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Return zeros."""
        calls = self.calls
        output = super().run(original, module, args, kwargs)
        return output if calls >= len(self.outputs) else fill_blank(output)


class Pass(Slot):
    """A block is passed by: its streams go on, and what was handed into the region is added to them.

    Args:
        leaves: leaves of its output, stand-ins in the places of streams.
        bare: whether the output is its only leaf, rather than a tuple of them.
        streams: triples (leaf, argument name, place among the positional arguments).
        added: triples (leaf, tensor, whether it is added or takes the stream's place).
        after: what is done after the call.
    """

    def __init__(
        self,
        leaves: tuple[Any, ...],
        bare: bool,
        streams: tuple[tuple[int, str, int], ...],
        added: tuple[tuple[int, torch.Tensor, bool], ...],
        after: Callable[[], None],
    ) -> None:
        super().__init__()
        self.leaves = leaves
        self.bare = bare
        self.streams = streams
        self.added = added
        self.after = after

    def run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Hand the streams on."""
        leaves = list(self.leaves)
        for leaf, name, place in self.streams:
            leaves[leaf] = kwargs[name] if name in kwargs else args[place]
        for leaf, tensor, residual in self.added:
            leaves[leaf] = leaves[leaf] + tensor if residual else tensor
        self.order.append(self.place)
        return leaves[0] if self.bare else tuple(leaves)

    def settle(self) -> None:
        """Note that the block was passed by."""
        self.after()


def copy_tensors(output: Any, device: str | None = None) -> Any:
    """Return an output whose tensors are the reader's own, if they are on a device of this type.

    If no type is named, all are.
    """

    def own(leaf: Any) -> Any:
        return leaf.clone() if isinstance(leaf, torch.Tensor) and device in (None, leaf.device.type) else leaf

    if isinstance(output, torch.Tensor):
        return own(output)
    leaves, spec = unpack(output)
    return pack([own(leaf) for leaf in leaves], spec)

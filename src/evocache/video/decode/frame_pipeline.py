"""Slices of frames run one after the other, as far as each can: the frame pipeline.

In lockstep all slices come to an operation before any goes on. Here a slice goes on as soon as it has what it needs. A
decoder that looks back in time only is run to its end for the first frames, then for the next, with the few frames that
its convolutions keep. Where an operation looks ahead, the next slice is run up to it; where it needs the sums of all,
all are. After the last such operation, slices end one by one, and what each gives may be handed on before the next goes
on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from greenlet import GreenletExit, greenlet
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_unflatten

from ...memory.slicing.coupling_points import CouplingPoint, FramePipeline, couples
from ...memory.slicing.coupling_requests import Parted, Request
from ...memory.slicing.lockstep import meet
from ...memory.slicing.slicing import Slicing, alone
from ...model.outputs import pack, unpack
from .output_parts import Take, call_whole, join
from .pipelined_operations import PIPELINED


class _Passing(TorchFunctionMode):
    """Within a slice: at its coupling points it waits for an answer."""

    def __init__(self, points: Sequence[CouplingPoint | None]) -> None:
        super().__init__()
        self.points = list(reversed(points))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not couples(func, args, kwargs):
            return func(*args, **kwargs)
        if not self.points:
            raise Parted("a slice came to an operation more than was seen")
        point = self.points.pop()
        if point is None:
            return func(*args, **kwargs)
        if point.name != func.__name__:
            raise Parted(f"a slice came to {func.__name__}, not to {point.name}")
        return meet(Request(func, tuple(args), kwargs))


class _Runners:
    """Slices under way, and the exchanges that they come to."""

    def __init__(self, slices: Sequence[Callable[[], Any]], sizes: Sequence[int], pipeline: FramePipeline) -> None:
        met = [point for point in pipeline.points if point is not None]
        self._operations = [PIPELINED[point.name](point, sizes, pipeline.ahead) for point in met]
        self._running = [greenlet(_within(run, pipeline.points)) for run in slices]
        self._at = [-1] * len(slices)

    def result(self, i: int) -> Any:
        """Run a slice to its end."""
        while self._at[i] < len(self._operations) - 1:
            self._step(i)
        result = self._step(i)
        if not self._running[i].dead:
            raise Parted("a slice came to a coupling point more than was seen")
        return result

    def _step(self, i: int) -> Any:
        """Run a slice on to its next coupling point, or to its end: then what it returns."""
        piece, at = self._running[i], self._at[i]
        if at < 0:
            came = piece.switch()
        else:
            for other in self._operations[at].needs(i):
                while self._at[other] < at:
                    self._step(other)
            came = piece.switch([self._operations[at].answer(i)])
        self._at[i] += 1
        if self._at[i] == len(self._operations):
            return came
        if piece.dead:
            raise Parted("a slice ended before others did")
        self._operations[self._at[i]].offer(i, came)
        return None

    def stop(self) -> None:
        """End all slices that are under way."""
        for piece in self._running:
            if piece and not piece.dead:
                piece.throw(GreenletExit)


def _within(run: Callable[[], Any], points: Sequence[CouplingPoint | None]) -> Callable[[], Any]:
    if not any(points):
        return run

    def piece() -> Any:
        with _Passing(points):
            return run()

    return piece


def decode_in_frame_pipeline(
    call: Callable[..., Any], slicing: Slicing, slices: int, leaves: Sequence[Any], spec: Any
) -> Iterator[Any]:
    """Yield what each slice of a call gives, in order, without its predecessor's; each is run when asked for.

    Args:
        call: what is called.
        slicing: how it is cut; it has a frame pipeline.
        slices: number of slices, at most.
        leaves: leaves of the whole call's arguments.
        spec: how these are nested.

    Raises:
        Parted: if slices come to other coupling points than were seen.
        Uncoupled: if an operation cannot be done for slices.
    """
    pipeline = slicing.pipeline
    assert pipeline is not None
    parts = pipeline.sizes(slicing.length(leaves), slices)

    def one(low: int, high: int) -> Callable[[], Any]:
        def piece() -> Any:
            args, kwargs = tree_unflatten(slicing.cut(leaves, low, high), spec)
            return call(*args, **kwargs)

        return piece

    ends = [sum(parts[: i + 1]) for i in range(len(parts))]
    calls = [one(max(end - part - pipeline.before, 0), end) for end, part in zip(ends, parts, strict=True)]
    runners = _Runners(calls, parts, pipeline)
    try:
        for i, part in enumerate(parts):
            yield _own(runners.result(i), slicing, part) if i else runners.result(i)
    finally:
        runners.stop()


def _own(result: Any, slicing: Slicing, part: int) -> Any:
    """What of a slice's result are its own positions."""
    assert slicing.pipeline is not None
    leaves, spec = unpack(result)
    for i, (axis, rate) in enumerate(zip(slicing.outputs, slicing.pipeline.rates, strict=True)):
        if axis is not None:
            leaf: torch.Tensor = leaves[i]
            lead = leaf.shape[axis] - rate * part
            if lead < 0:
                raise Parted("a slice gave less than others did")
            leaves[i] = leaf.narrow(axis, lead, rate * part)
    return pack(leaves, spec)


def run_frame_pipeline(
    module: nn.Module,
    method: str,
    slicing: Slicing,
    slices: int,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    take: Take | None = None,
) -> Any:
    """Call a method in a frame pipeline.

    Args:
        module: the module; what the call leaves on it is left on a twin.
        method: the method's name.
        slicing: how it is cut; it has a frame pipeline. A call of another form than was tried runs whole.
        slices: number of slices, at most.
        args: positional arguments.
        kwargs: keyword arguments.
        take: what takes what each slice gives, and does not keep it; when not given, that is joined.

    Returns:
        What the method returns; on the meta device, if that was taken.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    pipeline, call = slicing.pipeline, alone(module, method, meeting=False)
    assert pipeline is not None
    if not slicing.length(leaves) or not pipeline.fits(slicing.axis, leaves[slicing.inputs.index(slicing.axis)].shape):
        return call_whole(call, args, kwargs, take)
    del args, kwargs
    rest = sum(pipeline.sizes(slicing.length(leaves), slices)[1:])
    more = [rate * rest for rate in pipeline.rates]
    return join(decode_in_frame_pipeline(call, slicing, slices, leaves, spec), slicing.outputs, more, take)

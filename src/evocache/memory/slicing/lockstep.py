"""Slices of one module call, advancing in lockstep: they meet wherever an operation couples them.

A module that treats the positions of an axis alike can be run slice by slice, and holds the temporaries of one slice
only. Most operations do not care about the other slices; those that do (a normalisation over the axis, a convolution
along it, attention between its positions) are computed together: each slice runs as a greenlet until it comes to such
an operation and waits there; when all have arrived, the operation is done for the whole axis, and they go on. Nothing
is approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet
from torch.overrides import TorchFunctionMode

from .convolutions import is_pointwise
from .coupling_requests import Parted
from .couplings import COUPLINGS, Request, Shared


def meet(request: Request) -> Any:
    """Wait, within a slice, for the others, and return what this one is answered.

    The answer comes in a list from which it is taken, so that nobody but the slice holds it while that runs on.
    """
    return getcurrent().parent.switch(request).pop()


class _Meeting(TorchFunctionMode):
    """Within a slice: an operation that may couple slices is handed over to where all of them meet."""

    def __init__(self, positions: int, shared: Shared) -> None:
        super().__init__()
        self.positions = positions
        self.shared = shared

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in COUPLINGS and not is_pointwise(func, args):
            return meet(Request(func, tuple(args), kwargs or {}, self.positions, self.shared))
        return func(*args, **(kwargs or {}))


def lockstep(
    slices: Sequence[Callable[[], Any]], positions: Sequence[int] = (), shared: Shared = Shared.NONE
) -> Iterator[Any]:
    """Yield what each slice returns, in order; each is run on only when its predecessor's result was taken.

    Args:
        slices: the calls, in the order of their positions along the axis; their sizes must not all be equal, since
            the axis is known by it.
        positions: these sizes; only needed where something is shared.
        shared: where a stream that is not cut is joined to the slices' positions.

    Raises:
        Parted: if slices do not meet in the same operations.
        Uncoupled: if they meet in one that cannot be done together.
    """
    if len(slices) == 1:
        yield slices[0]()
        return
    own = positions or [0] * len(slices)
    running = [greenlet(_within(run, size, shared)) for run, size in zip(slices, own, strict=True)]
    answers: Iterator[Any] | None = None
    try:
        while True:
            arrived: list[Request] = []
            for i, piece in enumerate(running):
                request = piece.switch() if answers is None else piece.switch([next(answers)])
                if piece.dead != running[0].dead:
                    raise Parted("one slice ended before another did")
                if piece.dead:
                    yield request
                elif i and arrived[0].name != request.name:
                    raise Parted(f"one slice came to {arrived[0].name}, another to {request.name}")
                else:
                    arrived.append(request)
                del request
            if running[0].dead:
                return
            answers = COUPLINGS[arrived[0].name](arrived)
    finally:
        for piece in running:
            if piece and not piece.dead:
                piece.throw(GreenletExit)


def _within(run: Callable[[], Any], positions: int, shared: Shared) -> Callable[[], Any]:
    def piece() -> Any:
        with _Meeting(positions, shared):
            return run()

    return piece

"""A call that stops for others on its way: between two of its operations, so that it gives to the bit what it gives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.compiler import is_compiling
from torch.overrides import TorchFunctionMode

from ....runtime.attach.region import is_compiled
from ....runtime.attach.snapshot import COMPILED

SYNCHRONIZED = 8
"""Operations after which a device is waited for, where it runs behind: to know how long they took."""


PAUSED = "it goes on where it paused"
"""Why a call is computed by itself: it is the rest of one."""


def may_pause(component: Any) -> bool:
    """Return whether calls of a component may stop on their way: nothing of it is compiled.

    Compilers of torch trace modes as well: graphs would be made anew, or refused where they have to be whole.
    """
    if not isinstance(component, nn.Module):
        return True
    return not any(
        is_compiled(part) or any(callable(each) and hasattr(each, COMPILED) for each in vars(part).values())
        for part in component.modules()
    )


class Pausing(TorchFunctionMode):
    """Within the context, a thread pauses after the operation that a turn's time is over with.

    It holds for this thread alone, and changes nothing that others use. An operation is never cut: what one takes
    longer than a turn should, is one turn.

    Args:
        limit: seconds of a turn.
        pause: is told the seconds of a turn that is long enough; lets others have theirs, and returns whether it did.
        turned: is told the seconds of the last turn.
    """

    def __init__(self, limit: float, pause: Callable[[float], bool], turned: Callable[[float], None]) -> None:
        super().__init__()
        self._limit, self._pause, self._turned = limit, pause, turned
        self._behind = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        self._operations = 0
        self._began = time.perf_counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation, and pause after it if it is time."""
        output = func(*args, **kwargs) if kwargs else func(*args)
        if is_compiling():  # a function that is compiled, in the midst of what is not
            return output
        self._operations += 1
        if self._behind and self._operations % SYNCHRONIZED == 0:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - self._began
        if seconds >= self._limit and self._pause(seconds):
            self._began = time.perf_counter()
        return output

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """End the last turn."""
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        if error is None:
            self._turned(time.perf_counter() - self._began)

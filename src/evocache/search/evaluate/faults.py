"""Faults: whether an evaluation failed by its schedule or by the machine, and what is done about it.

A schedule's own failure is an answer, and is not tried again. Where the machine failed there is no answer: memory is
freed, the same is tried again, and then the run ends where it stands. Of an error that tells neither, the same call
without the schedule decides: if that works, and the schedule fails twice, it is the schedule's.
"""

from __future__ import annotations

import gc
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ...errors import BudgetError, DeviceError, Error, GenerationError, PolicyError, RunError, ScheduleError
from ..optimise.job import Failure

OWN = (ScheduleError, PolicyError, GenerationError, BudgetError)
"""Errors that lie in a schedule, but for those in `DEVICE`."""

DEVICE = (DeviceError, MemoryError, OSError)
"""Errors that lie in the machine, beside those that torch has for it."""

TORCH = ("OutOfMemoryError", "AcceleratorError")
"""Names of torch's; it need not be imported to know them."""

WAITS = (0.0, 5.0)
"""Seconds before each further try of what the machine failed at."""

_TOLD = re.compile(
    r"out of memory|can't allocate memory|not enough memory|\b(CUDA|HIP|XPU|MPS|ROCm)\b.* error|cudnn|cublas|cufft"
    r"|cusolver|nccl|miopen|hipblas|driver|device-side assert|launch failure|illegal memory access",
    re.IGNORECASE,
)
"""What other errors say that lie in the machine: torch raises most of them as a plain RuntimeError."""

Result = TypeVar("Result")


def is_device_fault(error: BaseException) -> bool:
    """Return whether an error lies in the machine: memory that ran out, an accelerator or a disk that failed."""
    if isinstance(error, DEVICE) or any(kind.__name__ in TORCH for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and bool(_TOLD.search(str(error)))


def describe_fault(error: BaseException) -> str:
    """Return an error in one line."""
    text = error.given if isinstance(error, Error) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def free_memory() -> None:
    """Let go of memory that nobody holds any more."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def retry_faults(
    act: Callable[[], Result], *, waits: Sequence[float] = WAITS, pause: Callable[[float], None] = time.sleep
) -> Result:
    """Run something that no schedule has a part in, and return what it gives; try again where the machine fails.

    Raises:
        DeviceError: if it fails at every try.
        Exception: as `act` raises it, if the error does not lie in the machine.
    """
    for wait in (*waits, None):
        try:
            return act()
        except Exception as error:
            if not is_device_fault(error):
                raise
            why = describe_fault(error)
        free_memory()
        if wait is not None:
            pause(wait)
    raise describe_device_failure(why)


def attempt(
    act: Callable[[], Result],
    control: Callable[[], object],
    *,
    waits: Sequence[float] = WAITS,
    pause: Callable[[float], None] = time.sleep,
) -> Result | Failure:
    """Run an evaluation, and return what it gives, or the schedule's failure.

    Args:
        act: evaluates under the schedule.
        control: does the same without it; decides where an error does not tell whose it is.
        waits: seconds before each further try.
        pause: waits for some seconds.

    Raises:
        DeviceError: if the machine fails at every try.
        RunError: as `act` and `control` raise it.
    """
    strange = False
    for wait in (*waits, None):
        try:
            return act()
        except RunError:
            raise
        except Exception as error:
            why, device = describe_fault(error), is_device_fault(error)
            if isinstance(error, OWN) and not device:
                return Failure(why)
        # the error is gone by here, and with its traceback what it held of the device
        free_memory()
        if not device and (strange or wait is None):
            control()
            return Failure(why)
        strange = strange or not device
        if wait is not None and device:
            pause(wait)
    raise describe_device_failure(why)


def describe_device_failure(why: str) -> DeviceError:
    """Return the error that the machine fails."""
    return DeviceError(
        f"a machine that fails while a pipeline generates ({why})",
        "memory and devices that last for an evaluation",
        "free memory, or wait until others have; the same call then continues from here. If it never fits, begin in a "
        "new folder with a smaller batch, or a limit (max_memory)",
    )

"""What torch keeps for each thread and computing depends on: calls that differ in it are not computed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import Context, copy_context
from typing import Any

import torch

from .flags import COMPUTING, read_flags

AUTOCAST = ("cpu", "cuda")
"""Devices that types are chosen for."""

_core: Any = torch._C
_cuda: Any = torch.cuda


def thread_state() -> object:
    """Return what this thread computes by, its own and the process's flags.

    Gradients, inference mode, types that are chosen by operation, modes that functions are called in (a default device
    is one), the CUDA device and stream, numbers of threads; kernels of attention, cuDNN, determinism and precision.
    """
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        _autocast(),
        _modes() if _core._len_torch_function_stack() or _core._len_torch_dispatch_stack() else (),
        (_cuda.current_device(), _cuda.current_stream().stream_id) if _cuda.is_initialized() else None,
        read_flags(COMPUTING),
    )


def _autocast() -> tuple[object, ...]:
    enabled = [(kind, torch.get_autocast_dtype(kind)) for kind in AUTOCAST if torch.is_autocast_enabled(kind)]
    return (*enabled, torch.is_autocast_cache_enabled()) if enabled else ()


def _modes() -> tuple[object, ...]:
    """Modes that torch's functions are called in: a default device by its name, others by themselves."""
    found = [_core._get_function_stack_at(at) for at in range(_core._len_torch_function_stack())]
    found += [_core._get_dispatch_stack_at(at) for at in range(_core._len_torch_dispatch_stack())]
    return tuple((type(mode), str(mode.device) if hasattr(mode, "device") else id(mode)) for mode in found)


class Surroundings:
    """What the thread computes by in which a request is made, for the thread that its call runs in.

    A new thread has gradients, no inference mode, no autocast and no default device. A request does what the plain call
    would have done in its place, so it takes these along: also the CUDA device and stream, the number of threads, and
    context variables.
    """

    def __init__(self) -> None:
        self.context: Context = copy_context()
        self._grad, self._inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        self._threads = torch.get_num_threads()
        self._cache = torch.is_autocast_cache_enabled()
        self._autocast = [(k, torch.get_autocast_dtype(k)) for k in AUTOCAST if torch.is_autocast_enabled(k)]
        self._device = torch.get_default_device() if _core._len_torch_function_stack() else None
        self._stream = _cuda.current_stream() if _cuda.is_initialized() else None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have the current thread compute by these within the context."""
        with ExitStack() as stack:
            if torch.get_num_threads() != self._threads:
                torch.set_num_threads(self._threads)
            if self._stream is not None:
                stack.enter_context(_cuda.stream(self._stream))  # of its device, which is the current one then
            if self._device is not None:
                stack.enter_context(self._device)
            for kind, dtype in self._autocast:
                stack.enter_context(torch.autocast(kind, dtype=dtype, cache_enabled=self._cache))
            if self._inference:
                stack.enter_context(torch.inference_mode())
            stack.enter_context(torch.set_grad_enabled(self._grad))
            yield

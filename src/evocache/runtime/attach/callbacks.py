"""Callbacks of a pipeline's call: what they run is no part of the generation."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import nn

from .call_scope import outside
from .interception import attach, detach, exclude_callback

_HEAP = 1 << 9
"""The flag of classes that are not built in."""

_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, partial)


@contextmanager
def exclude_callbacks(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield arguments with which, within the context, what a caller hands in to be called is outside of the generation.

    Functions are wrapped; a callback that is an object stays that object, since pipelines ask for its class.

    Args:
        args: positional arguments of a pipeline's call.
        kwargs: keyword arguments.
    """
    with ExitStack() as stack:

        def apart(value: Any) -> Any:
            if isinstance(value, _FUNCTIONS):
                return outside(value)
            if _is_callback(value):
                attach(value, exclude_callback)
                stack.callback(detach, value)
            return value

        yield tuple(map(apart, args)), {name: apart(value) for name, value in kwargs.items()}


def _is_callback(value: Any) -> bool:
    """Whether an argument is an object that is made to be called, and whose class may be swapped."""
    mutable = type(type(value)) is type and type(value).__flags__ & _HEAP and hasattr(value, "__dict__")
    return callable(value) and bool(mutable) and not isinstance(value, (type, nn.Module))

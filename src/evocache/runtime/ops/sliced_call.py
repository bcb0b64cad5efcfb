"""The operation that runs a module in slices; whatever else happens at its call happens around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...memory.slicing.slicing import Slicing, run
from ..attach.call_scope import Op


class Sliced:
    """A module that is run in slices where it computes.

    Args:
        slicing: how it is cut.
        slices: number of slices.
        inner: what happens at its call besides.
    """

    __slots__ = ("inner", "slices", "slicing")

    def __init__(self, slicing: Slicing, slices: int, inner: Op | None) -> None:
        self.slicing = slicing
        self.slices = slices
        self.inner = inner

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        if self.inner is None:
            return self._run(original, module, args, kwargs)

        def computed(module: Any, *args: Any, **kwargs: Any) -> Any:
            return self._run(original, module, args, kwargs)

        return self.inner(computed, module, args, kwargs)

    def _run(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        return run(lambda *a, **k: original(module, *a, **k), self.slicing, self.slices, args, kwargs)

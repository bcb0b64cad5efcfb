"""A call of a cached function, which can tell whether its arguments are still those of its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ....errors import UsageError
from .call_keys import CallKeys


class Call:
    """Computes the answer to a call.

    Args:
        function: the function.
        keys: makes its keys.
        key: of this call, as it was asked.
        args: of this call; whoever called may change lists and other objects among them.
        kwargs: the same, by name.
    """

    __slots__ = ("_args", "_function", "_key", "_keys", "_kwargs")

    def __init__(
        self, function: Callable[..., Any], keys: CallKeys, key: bytes, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self._function, self._keys, self._key, self._args, self._kwargs = function, keys, key, args, kwargs

    def __call__(self) -> Any:
        """Call the function."""
        return self._function(*self._args, **self._kwargs)

    def unchanged(self, late: bool) -> bool:
        """Return whether the arguments are those that were asked for. While a caller waits, nobody changes them."""
        return not late or self._same()

    def _same(self) -> bool:
        try:
            return self._keys.key(self._args, self._kwargs) == self._key
        except UsageError:  # it has got something that no key is made of
            return False


class AwaitedCall(Call):
    """Computes the answer to a call of a coroutine function; while it waits, others may change its arguments."""

    __slots__ = ()

    def unchanged(self, late: bool) -> bool:
        """Return whether the arguments are those that were asked for."""
        return self._same()

"""A cached method of an object."""

from __future__ import annotations

import inspect
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from ..names import Encoded

if TYPE_CHECKING:
    from .cached_function import CachedFunction


class BoundFunction:
    """Calls a cached method of an object: the object is its first argument, and part of the key unless it is ignored.

    Attributes:
        __func__: the cached function.
        __self__: the object; of methods of a class, the class.
    """

    __slots__ = ("__func__", "__self__", "__weakref__")

    def __init__(self, function: CachedFunction[Any, Any], instance: Any) -> None:
        self.__func__, self.__self__ = function, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the answer to a call."""
        return self.__func__(self.__self__, *args, **kwargs)

    def key(self, *args: Any, **kwargs: Any) -> Encoded:
        """Return the key of a call."""
        return self.__func__.key(self.__self__, *args, **kwargs)

    def invalidate(self, *args: Any, **kwargs: Any) -> bool:
        """Forget the answer to a call; return whether it was held in memory."""
        return self.__func__.invalidate(self.__self__, *args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature of a call, without the object."""
        signature = inspect.signature(self.__func__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    __doc__ = property(lambda self: self.__func__.__doc__)

    def __getattr__(self, name: str) -> Any:
        if name in BoundFunction.__slots__:  # one that is not made yet, as when it is copied
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundFunction):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __repr__(self) -> str:
        return f"<cached method {self.__func__.__qualname__} of {self.__self__!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it as methods are: the object, and the name of the method."""
        name = self.__func__.__name__
        if getattr(self.__self__, name, None) != self:
            raise PicklingError(f"{self!r} is not found as attribute {name!r} of its object")
        return getattr, (self.__self__, name)


class BoundCoroutineFunction(BoundFunction):
    """Awaits a cached coroutine function of an object."""

    __slots__ = ()

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the answer to a call."""
        return await self.__func__(self.__self__, *args, **kwargs)

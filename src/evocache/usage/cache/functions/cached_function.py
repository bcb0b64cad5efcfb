"""A function that is computed once a question."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from functools import WRAPPER_ASSIGNMENTS
from typing import Any, Generic, ParamSpec, TypeVar

from ..learning_cache import LearningCache
from ..names import Encoded
from ..tenants import Tenants
from .bound_function import BoundCoroutineFunction, BoundFunction
from .call import AwaitedCall, Call
from .call_keys import CallKeys, Label
from .callables import name_of

P = ParamSpec("P")
R = TypeVar("R")


class CachedFunction(Generic[P, R]):
    """Calls a function, or gives the answer that is kept.

    Args:
        function: the function.
        cache: keeps answers.
        owner: who asks; a name of a parameter, or a function of the arguments by name.
        group: what is asked about, in the same ways.
        tenant: whose question it is, in the same ways.
        ignore: names of parameters that do not change the answer.
        version: what tells this function from what it was before.
        of_class: whether it is a method of a class, which is bound to the class.
        spelled: whether keys know their calls as texts, which are to be recorded.
        outlives: whether other functions find the answers, on a disk or a server.

    Attributes:
        cache: what is kept; with tenants, a mapping of theirs.
    """

    _bound: type[BoundFunction] = BoundFunction

    def __init__(
        self,
        function: Callable[P, R],
        cache: LearningCache | Tenants,
        *,
        owner: Label = None,
        group: Label = None,
        tenant: Label = None,
        ignore: Sequence[str] = (),
        version: Any = None,
        of_class: bool = False,
        spelled: bool = False,
        outlives: bool = False,
    ) -> None:
        self._look_like(function)
        self.cache = cache
        self._function = function
        self._keys = CallKeys(function, ignore, version, outlives)
        self._key = self._keys.spelled if spelled else self._keys.key
        self._owner = self._keys.label(owner, "owner")
        self._group = self._keys.label(group, "group")
        self._tenant = self._keys.label(tenant, "tenant")
        self._labelled = owner is not None or group is not None
        self._of_class = of_class

    def _look_like(self, function: Callable[..., Any]) -> None:
        """Take a function's name, text and annotations, and what its user hung on it, our own names left out."""
        for name in (*WRAPPER_ASSIGNMENTS, "__globals__"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))
        if not hasattr(function, "__name__"):  # a partial has none
            self.__name__ = self.__qualname__ = name_of(function)
        if inspect.isfunction(function):
            known = {name: value for name, value in vars(function).items() if not hasattr(type(self), name)}
            self.__dict__.update(known)
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the answer to a call, computed now where it is not kept."""
        cache = self.cache if isinstance(self.cache, LearningCache) else self._cache_of(args, kwargs)
        if cache is None:  # one tenant more than there is room for
            return self._function(*args, **kwargs)
        owner, group = (self._owner(args, kwargs), self._group(args, kwargs)) if self._labelled else (None, None)
        key = self._key(args, kwargs)
        call: Callable[[], R] = Call(self._function, self._keys, key, args, kwargs)
        return cache.get_or_compute(key, call, owner=owner, group=group)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind it to an object, as methods are, or to a class."""
        if self._of_class:
            return self._bound(self, type(instance) if owner is None else owner)
        return self if instance is None else self._bound(self, instance)

    def __reduce__(self) -> str:
        """Pickle it by its name, as functions are."""
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<cached function {self.__qualname__}>"

    def key(self, *args: P.args, **kwargs: P.kwargs) -> Encoded:
        """Return the key of a call, as it stands in the cache."""
        return self._keys.key(args, kwargs)

    def __cache_key__(self) -> bytes:
        """Return what stands for the function where it is an argument itself, or held by another cached function."""
        return self._keys.identity()

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the answer to a call, in all tiers; return whether it was held in memory."""
        key = self._keys.key(args, kwargs)
        if isinstance(self.cache, LearningCache):
            return self.cache.invalidate(key)
        return self.cache.invalidate(self._tenant(args, kwargs), key)

    def clear(self, owner: Hashable | None = None) -> None:
        """Forget all answers, of tenants those that have room; with an owner, those that were computed for that one."""
        self.cache.clear(owner)

    def _cache_of(self, args: Any, kwargs: Any) -> LearningCache | None:
        assert isinstance(self.cache, Tenants)
        return self.cache.of(self._tenant(args, kwargs))


class CachedCoroutineFunction(CachedFunction[P, R]):
    """Awaits a coroutine function, or gives the answer that is kept; Python and frameworks know it for one."""

    _bound = BoundCoroutineFunction

    def _look_like(self, function: Callable[..., Any]) -> None:
        super()._look_like(function)
        self.__code__ = CachedCoroutineFunction.__call__.__code__  # `inspect` asks the code; Python 3.12 has a mark
        self.__defaults__ = self.__kwdefaults__ = None

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the answer to a call, computed now where it is not kept."""
        cache = self.cache if isinstance(self.cache, LearningCache) else self._cache_of(args, kwargs)
        function: Any = self._function
        if cache is None:
            return await function(*args, **kwargs)
        owner, group = (self._owner(args, kwargs), self._group(args, kwargs)) if self._labelled else (None, None)
        key = self._key(args, kwargs)
        call = AwaitedCall(function, self._keys, key, args, kwargs)
        return await cache.aget_or_compute(key, call, owner=owner, group=group)

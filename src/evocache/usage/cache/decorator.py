"""`@cached`: a function that is computed once a question, and learns which answers are worth keeping."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ...errors import UsageError
from .call_keys import CallKeys, Label
from .learning_cache import LearningCache
from .names import Encoded
from .tenants import Tenants

P = ParamSpec("P")
R = TypeVar("R")


class CachedFunction(Generic[P, R]):
    """Calls a function, or gives the answer that is kept. Coroutine functions are awaited as before.

    Attributes:
        cache: what is kept; with tenants, a mapping of theirs.
    """

    def __init__(
        self,
        function: Callable[P, R],
        cache: LearningCache | Tenants,
        *,
        owner: Label,
        group: Label,
        tenant: Label,
        ignore: Sequence[str],
        version: Any,
    ) -> None:
        update_wrapper(self, function)
        self.cache = cache
        self._function = function
        self._keys = CallKeys(function, ignore, version)
        self._owner = self._keys.label(owner, "owner")
        self._group = self._keys.label(group, "group")
        self._tenant = self._keys.label(tenant, "tenant")
        self._labelled = owner is not None or group is not None
        self._get = self._aget if inspect.iscoroutinefunction(function) else self._get_now
        if inspect.iscoroutinefunction(function):
            inspect.markcoroutinefunction(self) if hasattr(inspect, "markcoroutinefunction") else None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the answer to a call, computed now where it is not kept."""
        cache = self.cache if isinstance(self.cache, LearningCache) else self._cache_of(args, kwargs)
        if cache is None:  # one tenant more than there is room for
            return self._function(*args, **kwargs)
        owner, group = (self._owner(args, kwargs), self._group(args, kwargs)) if self._labelled else (None, None)
        key = self._keys.key(args, kwargs)
        return self._get(cache, key, lambda: self._function(*args, **kwargs), owner, group)  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind it to an object, as methods are."""
        return self if instance is None else BoundFunction(self, instance)

    def __reduce__(self) -> str:
        """Pickle it by its name, as functions are."""
        return self.__qualname__  # type: ignore[attr-defined,no-any-return]

    def key(self, *args: P.args, **kwargs: P.kwargs) -> Encoded:
        """Return the key of a call, as it stands in the cache."""
        return self._keys.key(args, kwargs)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the answer to a call, in all tiers; return whether it was held in memory."""
        cache = self.cache if isinstance(self.cache, LearningCache) else self._cache_of(args, kwargs)
        return cache is not None and cache.invalidate(self._keys.key(args, kwargs))

    def clear(self, owner: Hashable | None = None) -> None:
        """Forget all answers; with an owner, those that were computed for that one."""
        self.cache.clear(owner)

    def _cache_of(self, args: Any, kwargs: Any) -> LearningCache | None:
        assert isinstance(self.cache, Tenants)
        return self.cache.of(self._tenant(args, kwargs))

    @staticmethod
    def _get_now(cache: LearningCache, key: Encoded, compute: Any, owner: Any, group: Any) -> Any:
        return cache.get_or_compute(key, compute, owner=owner, group=group)

    @staticmethod
    def _aget(cache: LearningCache, key: Encoded, compute: Any, owner: Any, group: Any) -> Any:
        return cache.aget_or_compute(key, compute, owner=owner, group=group)


class BoundFunction:
    """A cached method of an object: the object is its first argument, and part of the key unless it is ignored."""

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)


@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cached(
    *,
    max_bytes: int | str = "256MB",
    owner: Label = None,
    group: Label = None,
    tenant: Label = None,
    tenants: int = 8,
    ignore: Sequence[str] = (),
    version: Any = None,
    repeatable: bool = False,
    **settings: Any,
) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...


def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    max_bytes: int | str = "256MB",
    owner: Label = None,
    group: Label = None,
    tenant: Label = None,
    tenants: int = 8,
    ignore: Sequence[str] = (),
    version: Any = None,
    repeatable: bool = False,
    **settings: Any,
) -> Any:
    """Give a function a cache: each question is computed once, and the answers that are worth most are kept.

    A question is the function (its module, its name and a digest of its code) and its arguments; equal questions have
    one key in every process. What is kept is learned from use: there is nothing else to set.

    Args:
        function: a function, coroutine function or method that gives the same answer to the same question.
        max_bytes: bytes that answers may take in memory: a number, or `"256MB"`; of all tenants together.
        owner: who asks: the name of a parameter, or a function of the arguments by name. A label to learn from; any
            owner is given what another's question left.
        group: what is asked about, in the same ways, such as the subject of a prompt.
        tenant: whose question it is, in the same ways. Tenants share nothing.
        tenants: how many tenants have room, each an equal and fixed part; what others ask is computed each time.
        ignore: names of parameters that do not change the answer.
        version: what tells this function from what it was before; a digest of its code if not given.
        repeatable: whether it may be called though nobody asks: what an owner will probably ask again is computed anew
            in idle time where it expired or was evicted (see `speculate_share` of `LearningCache`).
        settings: those of `LearningCache`: `ttl`, `stale`, `disk`, `shared`, `policy`...

    Raises:
        AmountError: if the bytes are none.
        UsageError: if a label or a name to be ignored is no parameter's; if the function yields its answers; if
            a coroutine function is said to be repeatable, or a function without an owner.

    >>> from evocache import cached
    >>> @cached(max_bytes="64MB", owner="user")
    ... def report(user: str, month: str) -> list[str]:
    ...     print("computing")
    ...     return [user, month]
    >>> report("ada", "2026-11") == report("ada", month="2026-11")
    computing
    True
    >>> report.cache.stats.computed, report.cache.stats.hits
    (1, 1)
    """

    def decorate(function: Callable[..., Any]) -> CachedFunction[Any, Any]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            given = f"{function.__qualname__}, which yields its answers one by one"
            raise UsageError(given, "a function that returns its answer", "return a list or a tuple")
        if repeatable and (inspect.iscoroutinefunction(function) or owner is None):
            given = f"repeatable=True for {function.__qualname__}" + (" without an owner" if owner is None else "")
            raise UsageError(
                given, "a function that is no coroutine's, and an owner", "leave it out, or name the owner"
            )
        given_settings = {**settings, "speculate": "repeat"} if repeatable else settings
        if tenant is None:
            cache: LearningCache | Tenants = LearningCache(max_bytes, **given_settings)
        else:
            cache = Tenants(max_bytes, tenants, **given_settings)
        return CachedFunction(function, cache, owner=owner, group=group, tenant=tenant, ignore=ignore, version=version)

    return decorate if function is None else decorate(function)

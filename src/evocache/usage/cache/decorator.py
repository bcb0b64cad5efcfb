"""`@cached`: a function that is computed once a question, and learns which answers are worth keeping."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from ...errors import UsageError
from .functions.bound_function import BoundFunction
from .functions.cached_function import CachedCoroutineFunction, CachedFunction
from .functions.call_keys import Label
from .functions.callables import name_of, open_callable
from .functions.settings import check_settings
from .learning_cache import LearningCache
from .tenants import Tenants

P = ParamSpec("P")
R = TypeVar("R")

TENANTS = 8
"""Tenants that have room if nothing is said."""


@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cached(
    *,
    max_bytes: int | str = "256MB",
    owner: Label = None,
    group: Label = None,
    tenant: Label = None,
    tenants: int | None = None,
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
    tenants: int | None = None,
    ignore: Sequence[str] = (),
    version: Any = None,
    repeatable: bool = False,
    **settings: Any,
) -> Any:
    """Give a function a cache: each question is computed once, and the answers that are worth most are kept.

    A question is the function (its module, its name and a digest of its code) and its arguments; equal questions have
    one key in every process. What is kept is learned from use: there is nothing else to set.

    Args:
        function: a function, coroutine function, method (also of a class, or static), partial or object that is called,
            which gives the same answer to the same question. Of methods the object is part of the question.
        max_bytes: bytes that answers may take in memory: a number, or `"256MB"`; of all tenants together.
        owner: who asks: the name of a parameter, or a function of the arguments by name. A label to learn from; any
            owner is given what another's question left.
        group: what is asked about, in the same ways, such as the subject of a prompt.
        tenant: whose question it is, in the same ways. Tenants share nothing.
        tenants: how many tenants have room, each an equal and fixed part (8 if not given); what others ask is computed
            each time.
        ignore: names of parameters that do not change the answer; a text is one name.
        version: what tells this function from what it was before; a digest of its code if not given. With `disk` or
            `shared`, a function that holds a model or another value that no key is made of needs one.
        repeatable: whether it may be called though nobody asks: what an owner will probably ask again is computed anew
            in idle time where it expired or was evicted (see `speculate_share` of `LearningCache`).
        settings: those of `LearningCache`: `ttl`, `stale`, `disk`, `shared`, `policy`, `records`, `privacy`...

    Raises:
        AmountError: if `max_bytes` is no amount of memory, such as `-1` or `"much"`.
        UsageError: if a label or a name to be ignored is no parameter's; if the function yields its answers, or is a
            class or a property; if a coroutine function is said to be repeatable, or a function without an owner; if
            `stale` is given without `ttl`, or `tenants` without `tenant`.

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

    def decorate(given: Callable[..., Any]) -> Any:
        opened = open_callable(given)
        if isinstance(opened.function, (CachedFunction, BoundFunction)):
            told = f"@cached over {name_of(opened.function)}, which is cached already"
            raise UsageError(told, "a function that is not", "leave one of them out")
        awaited = inspect.iscoroutinefunction(opened.function)
        labels: dict[str, Any] = {"owner": owner, "tenant": tenant, "tenants": tenants}
        check_settings(name_of(opened.function), repeatable=repeatable, awaited=awaited, cache=settings, **labels)
        given_settings = {**settings, "speculate": "repeat"} if repeatable else settings
        cache: LearningCache | Tenants
        if tenant is None:
            cache = LearningCache(max_bytes, **given_settings)
        else:
            cache = Tenants(max_bytes, TENANTS if tenants is None else tenants, **given_settings)
        made = (CachedCoroutineFunction if awaited else CachedFunction)(
            opened.function,
            cache,
            owner=owner,
            group=group,
            tenant=tenant,
            ignore=ignore,
            version=version,
            of_class=opened.kind == "class",
            spelled=settings.get("records") is not None and settings.get("privacy") == "text",
            outlives=any(settings.get(tier) is not None for tier in ("disk", "shared")),
        )
        if opened.kind == "static":
            return staticmethod(made)
        return made.__get__(opened.object) if opened.kind == "bound" else made

    return decorate if function is None else decorate(function)

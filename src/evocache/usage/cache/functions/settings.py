"""Settings of `@cached` that mean nothing together, which are refused where they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....errors import UsageError, short


def check_settings(
    name: str,
    *,
    owner: Any,
    tenant: Any,
    tenants: int | None,
    repeatable: bool,
    awaited: bool,
    cache: Mapping[str, Any],
) -> None:
    """Refuse settings that have no effect, or none that was meant.

    Args:
        name: of the function.
        owner: who asks.
        tenant: whose question it is.
        tenants: how many have room, if that is said.
        repeatable: whether the function may be called though nobody asks.
        awaited: whether it is a coroutine function.
        cache: settings of its cache.

    Raises:
        UsageError: if `tenants` is given without `tenant`, or `stale` without `ttl`; if a coroutine function, or one
            without an owner, is said to be repeatable, or that is said as `speculate="repeat"`.
    """
    if repeatable and (awaited or owner is None):
        told = f"repeatable=True for {name}" + (" without an owner" if owner is None else "")
        raise UsageError(told, "a function that is no coroutine's, and an owner", "leave it out, or name the owner")
    speculate = cache.get("speculate")
    if speculate == "repeat" or (repeatable and speculate is not None):
        told = f"speculate={short(speculate)} for {name}" + (", which is repeatable" if repeatable else "")
        mend = "leave speculate= out; repeatable=True says that it may be called though nobody asks"
        raise UsageError(told, "a function that proposes, or a repeatable function", mend)
    if tenants is not None and tenant is None:
        mend = 'say whose question it is, such as tenant="firm", or leave tenants= out'
        raise UsageError(f"tenants={short(tenants)} for {name} without tenant=", "both or neither", mend)
    if cache.get("stale") and cache.get("ttl") is None:
        told = f"stale={short(cache['stale'])} for {name} without ttl="
        mend = "say how long answers are fresh, such as ttl=60, or leave stale= out"
        raise UsageError(told, "both: answers without a ttl are fresh for ever", mend)

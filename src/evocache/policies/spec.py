"""Specs: policies as short texts, `fora:3`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from ..errors import PolicyError
from .base import Policy
from .deepcache import DeepCache
from .fora import Fora
from .none import NoCache
from .smoothcache import SmoothCache
from .steps import Steps
from .taylorseer import TaylorSeer
from .tgate import TGate

POLICIES: dict[str, type[Policy]] = {
    p.name: p for p in (NoCache, Fora, TaylorSeer, SmoothCache, DeepCache, TGate, Steps)
}

_READ = {"int": int, "float": float, "str": str, "tuple[int, ...]": int}
"""How a parameter is read from text, by the type of its field; a text takes the rest of the spec, commas included.
Fields of other types cannot be written in a spec."""


def is_spec(text: str) -> bool:
    """Whether a text begins with the name of a policy."""
    return text.split(":", 1)[0] in POLICIES


def parse(text: str) -> Policy:
    """The policy of a spec.

    Raises:
        PolicyError: if the policy is unknown or its parameters do not fit.
    """
    name, _, rest = text.partition(":")
    policy = POLICIES.get(name)
    if policy is None:
        usages = ", ".join(p.usage for p in POLICIES.values())
        raise PolicyError(f"{text!r}", f"a policy ({usages}) or an existing file", "see `evocache policies`")
    wanted = [f for f in fields(policy) if f.type in _READ]
    types = [str(f.type) for f in wanted]
    parts = rest.split(",", types.index("str") if "str" in types else -1) if rest else []
    listed = types == ["tuple[int, ...]"]
    if not listed and not sum(f.default is MISSING for f in wanted) <= len(parts) <= len(wanted):
        raise PolicyError(f"{text!r}", f"the form {policy.usage}", "give the parameters that it names")
    try:
        values: list[Any] = [
            _READ[t](part) for t, part in zip(types * len(parts) if listed else types, parts, strict=False)
        ]
    except ValueError:
        kind = "a number" if "float" in types else "whole numbers"
        raise PolicyError(f"{text!r}", f"{kind} after the colon", f"write {policy.usage}") from None
    make: Callable[..., Policy] = policy
    return make(tuple(values)) if listed else make(*values)

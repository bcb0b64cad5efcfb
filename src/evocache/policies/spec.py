"""Specs: policies and gates as short texts, `fora:3`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from ..errors import PolicyError, nearest, short
from .base.gate import Gate
from .base.policy import Policy
from .calibrated.dpcache import DPCache
from .calibrated.l2c import LearningToCache
from .calibrated.lemica import LeMiCa
from .calibrated.magcache import MagCache
from .calibrated.smoothcache import SmoothCache
from .gates.dbcache import DBCache
from .gates.easycache import EasyCache
from .gates.fbcache import FirstBlockCache
from .gates.teacache import TeaCache
from .static.deepcache import DeepCache
from .static.deltadit import DeltaDiT
from .static.even_steps import EvenSteps
from .static.fastercache import FasterCache
from .static.fora import Fora
from .static.freqca import FreqCa
from .static.no_cache import NoCache
from .static.pab import PyramidAttentionBroadcast
from .static.steps import Steps
from .static.taylorseer import TaylorSeer
from .static.tgate import TGate

POLICIES: dict[str, type[Policy] | type[Gate]] = {
    p.name: p
    for p in (
        *(
            NoCache,
            Fora,
            TaylorSeer,
            DeepCache,
            TGate,
            PyramidAttentionBroadcast,
            FasterCache,
            DeltaDiT,
            FreqCa,
            Steps,
            EvenSteps,
        ),
        *(SmoothCache, LearningToCache, DPCache, LeMiCa, MagCache),
        *(FirstBlockCache, DBCache, TeaCache, EasyCache),
    )
}
"""By name: policies that need no calibration, those that do, and the gates."""

_READ: dict[str, type] = {"int": int, "float": float, "str": str}
"""How a parameter is read from text, by the type of its field. A text takes the rest of the spec, commas included, and
so does a `tuple[int, ...]`, number by number; either comes last. Fields of other types cannot be written in a spec."""


def is_spec(text: str) -> bool:
    """Return whether a text begins with the name of a policy, in whatever case, with spaces around it or not."""
    return _name(text) in POLICIES


def _name(text: str) -> str:
    return text.split(":", 1)[0].strip().lower()


def suggest_spec(text: str) -> str | None:
    """Return the spec that a misspelt one most likely stands for; None if no policy has a name like it."""
    _, colon, rest = text.strip().partition(":")
    near = nearest(_name(text), POLICIES)
    return f"{near}{colon}{rest}" if near else None


def parse(text: str) -> Policy | Gate:
    """Read a spec: `fora:3`. Case and spaces around it do not matter.

    Raises:
        PolicyError: if the policy is unknown or its parameters do not fit.

    >>> parse("fora:3")
    Fora(interval=3)
    >>> str(parse("taylorseer:4"))
    'taylorseer:4,1'
    """
    rest = text.strip().partition(":")[2].strip()
    policy = POLICIES.get(_name(text))
    if policy is None:
        near = suggest_spec(text)
        mend = f"did you mean {short(near)}? " if near else ""
        expected = f"a policy ({', '.join(POLICIES)}) or an existing file"
        raise PolicyError(short(text), expected, f"{mend}`evocache policies` lists them all")
    wanted = [f for f in fields(policy) if _element(f.type) in _READ]
    types = [_element(f.type) for f in wanted]
    listed = bool(wanted) and types[-1] != wanted[-1].type
    parts = rest.split(",", types.index("str") if "str" in types else -1) if rest else []
    single = len(wanted) - listed
    least = sum(f.default is MISSING for f in wanted[:single])
    if len(parts) < least or (len(parts) > single and not listed):
        raise PolicyError(short(text), f"the form {policy.usage}", "give the parameters that it names")
    try:
        values: list[Any] = [_READ[t](part) for t, part in zip(types[:single], parts, strict=False)]
        if listed and len(parts) >= single:
            values.append(tuple(_READ[types[-1]](part) for part in parts[single:]))
    except ValueError:
        kind = "a number" if "float" in types else "whole numbers"
        raise PolicyError(short(text), f"{kind} after the colon", f"write {policy.usage}") from None
    make: Callable[..., Policy | Gate] = policy
    return make(*values)


def parse_policy(text: str) -> Policy:
    """Read the spec of a policy, where a schedule has to be known beforehand.

    Raises:
        PolicyError: as `parse`; if it is a gate.

    >>> parse_policy("fora:3")
    Fora(interval=3)
    """
    found = parse(text)
    if isinstance(found, Gate):
        raise found.needs_generation()
    return found


def _element(annotation: Any) -> str:
    """The type of a field, or of the elements of a tuple."""
    return str(annotation).removeprefix("tuple[").removesuffix(", ...]")

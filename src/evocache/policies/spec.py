"""Specs: policies as short texts, `fora:3`."""

from __future__ import annotations

from dataclasses import MISSING, fields

from ..errors import PolicyError
from .base import Policy
from .deepcache import DeepCache
from .fora import Fora
from .none import NoCache
from .steps import Steps
from .tgate import TGate

POLICIES: dict[str, type[Policy]] = {p.name: p for p in (NoCache, Fora, DeepCache, TGate, Steps)}


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
    try:
        numbers = [int(part) for part in rest.split(",")] if rest else []
    except ValueError:
        raise PolicyError(f"{text!r}", "whole numbers after the colon", f"write {policy.usage}") from None
    wanted = fields(policy)
    if len(wanted) == 1 and str(wanted[0].type).startswith("tuple"):
        return policy(tuple(numbers))  # type: ignore[call-arg]
    least = sum(f.default is MISSING for f in wanted)
    if not least <= len(numbers) <= len(wanted):
        raise PolicyError(f"{text!r}", f"the form {policy.usage}", "give the parameters that it names")
    return policy(*numbers)

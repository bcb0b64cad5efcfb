"""Every eviction policy by name, those that learn among them."""

from __future__ import annotations

from ..demand.scored import Scored
from ..policies.policy import EvictionPolicy
from ..policies.registry import POLICIES, policy
from .adaptive import Adaptive

ALL: dict[str, type[EvictionPolicy]] = {Adaptive.name: Adaptive, Scored.name: Scored, **POLICIES}
"""All policies by name that need not know the future."""


def policy_of(named: str | EvictionPolicy, max_bytes: int, seed: int = 0) -> EvictionPolicy:
    """Return the policy of a name; one that is given itself is told its bytes.

    Args:
        named: `"learned"`, or the name of a published policy (see `policies.registry`), or a policy.
        max_bytes: bytes that may be held.
        seed: seeds what it draws.

    Raises:
        UsageError: if there is no such policy.
    """
    if isinstance(named, EvictionPolicy):
        named.resize(max_bytes, 0)
        return named
    return policy(named, max_bytes, seed, ALL)

"""What is shared across requests, and how much is kept."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 4
"""Tenants that have room where fewer have keys, or none has."""


@dataclass(frozen=True)
class ReuseSettings:
    """What is shared across requests, and how much is kept.

    Attributes:
        memory: bytes of results in memory, of all tenants together.
        disk: bytes of results on the disk, and on the server that machines share; of each tenant.
        tenants: how many have room, each an equal part; what others ask is made each time. None for as many as have
            keys when the server begins, and `LEAST` at least.
        unseeded: whether requests without a seed are given what was made for an equal one. Off, they get another
            picture each time, which is what most who repeat themselves want.
        within_tenant: whether owners of one tenant share results. Off, since the time that an answer takes would tell
            one of them what another has asked for.
    """

    memory: int | str = "256MB"
    disk: int | str = "4GB"
    tenants: int | None = None
    unseeded: bool = False
    within_tenant: bool = False

"""What is shared across requests, and how much is kept."""

from __future__ import annotations

from dataclasses import dataclass

from ...units import in_bytes
from ..bounds import check_bounds

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

    Raises:
        AmountError: if one of the amounts is none.
        ServeError: if room is for no tenant.
    """

    memory: int | str = "256MB"
    disk: int | str = "4GB"
    tenants: int | None = None
    unseeded: bool = False
    within_tenant: bool = False

    def __post_init__(self) -> None:
        in_bytes(self.memory)
        in_bytes(self.disk)
        check_bounds(self, "tenants", least=1)

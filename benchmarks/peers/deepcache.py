"""DeepCache by its authors' package: what lies below a skip connection of a U-Net, every N steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from DeepCache import DeepCacheSDHelper  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers.contender import Contender, Session

FAMILY = "DeepCache"

INTERVALS = (2, 3, 5)


def contenders(steps: int) -> list[Contender]:
    """Its uniform mode at the shallowest skip connection."""
    found = []
    for interval in INTERVALS:
        settings = {"cache_interval": interval, "cache_branch_id": 0}
        found.append(Contender(f"{FAMILY} {interval}", FAMILY, _enabled(settings), settings, steps))
    return found


def _enabled(settings: dict[str, Any]) -> Any:
    @contextmanager
    def on(pipe: Any) -> Iterator[Session]:
        helper = DeepCacheSDHelper(pipe=pipe)
        helper.set_params(**settings)
        helper.enable()
        try:
            yield Session(roots=lambda: [helper.cached_output])
        finally:
            helper.disable()

    return on

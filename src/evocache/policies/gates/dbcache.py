"""DBCache, the dual block cache of cache-dit (DefTruth et al., 2025), a gate after TeaCache (arXiv 2411.19108)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...errors import PolicyError
from ...schedule import MAX_ORDER
from ..base.gate import Gate
from ..base.parameter_checks import check_not_negative, check_positive
from ..base.rule import Rule


@dataclass(frozen=True)
class DBCache(Gate):
    """Computes the first and the last blocks; reuses those between while what the first ones add hardly changes.

    The change is that of `FirstBlockCache`, after as many blocks as are computed first. cache-dit's own defaults are
    8 first blocks and 8 steps of warm-up, made for deep models and 28 to 50 steps.

    In a U-Net the first blocks are layers of the way down, and as many of the way up, and one more, are computed with
    them; `last` has no meaning there and is refused.

    Attributes:
        threshold: the blocks between are reused while the change is below it.
        first: blocks at the beginning that are always computed; their residual is looked at.
        last: blocks at the end that are always computed.
        warmup: steps at the beginning that are computed.
        most: most steps in a row that are reused; 0 for any number.
        order: of the forecast of what is not computed (TaylorSeer, arXiv 2503.06923); 0 reuses it.
    """

    threshold: float
    first: int = 1
    last: int = 0
    warmup: int = 1
    most: int = 0
    order: int = 0

    name: ClassVar[str] = "dbcache"
    usage: ClassVar[str] = "dbcache:THRESHOLD[,first,last,warmup,most,order]"
    summary: ClassVar[str] = (
        "gate: reuses the blocks between the first and the last ones while what the first ones add hardly changes"
    )
    paper: ClassVar[str] = "arXiv 2411.19108"
    signal: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        check_not_negative(self, "threshold", self.threshold)
        check_positive(self, "first", self.first)
        for name in ("last", "warmup", "most", "order"):
            check_not_negative(self, name, getattr(self, name), whole=True)
        if self.order > MAX_ORDER:
            raise PolicyError(f"order {self.order} for {self.name}", f"an order in 0..{MAX_ORDER}", "lower the order")

    @property
    def head(self) -> int:
        """The first blocks."""
        return self.first

    @property
    def tail(self) -> int:
        """The last blocks."""
        return self.last

    @property
    def forecasts(self) -> int:
        """The order."""
        return self.order

    def rule(self, steps: int) -> Rule:
        """Compare each change with the threshold, after the warm-up."""
        return Rule(steps, self.threshold, self.warmup, most=self.most)

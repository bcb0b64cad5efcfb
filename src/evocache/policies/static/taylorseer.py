"""TaylorSeer: From Reusing to Forecasting, Accelerating Diffusion Models (Liu et al., ICCV 2025, arXiv 2503.06923)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...errors import PolicyError
from ...schedule import MAX_ORDER, Schedule, Tree, forecast, uniform
from ..base.parameter_checks import check_positive
from ..base.policy import Policy, list_leaf_ids

FIRST = 3
"""Steps computed before the first forecast: the authors' `first_enhance`, so that a second-order difference exists."""


@dataclass(frozen=True)
class TaylorSeer(Policy):
    """Computes the leaves of blocks every `interval` steps and forecasts their outputs between by a Taylor series.

    The first `FIRST` steps are computed, and intervals are counted from the last of them, as the authors do. Order 1
    extrapolates along a line; derivatives are backward differences over the computed steps (eq. 5-7).

    Attributes:
        interval: steps from one computed step to the next; the paper's N.
        order: of the series; 0 reuses.
    """

    interval: int
    order: int = 1

    name: ClassVar[str] = "taylorseer"
    usage: ClassVar[str] = "taylorseer:N[,order]"
    summary: ClassVar[str] = "attention and feed-forward layers every N steps, forecast between"
    paper: ClassVar[str] = "arXiv 2503.06923"

    def __post_init__(self) -> None:
        check_positive(self, "interval", self.interval)
        check_positive(self, "order", self.order)
        if self.order > MAX_ORDER:
            raise PolicyError(f"order {self.order} for {self.name}", f"an order in 1..{MAX_ORDER}", "lower the order")

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Forecast all leaves of blocks but at the first steps and every `interval`-th from there."""
        columns = list_leaf_ids(tree, "attention", "cross_attention", "feed_forward", "projection")
        columns = columns or list_leaf_ids(tree, "resnet")
        if not columns:
            raise self.refuse(tree, "attention, feed-forward or residual blocks", 'try "steps:0,2,4,..."')
        computed = [*range(min(FIRST, steps)), *range(FIRST - 1, steps, self.interval)]
        return uniform(tree, steps, columns, computed, forecast(self.order))

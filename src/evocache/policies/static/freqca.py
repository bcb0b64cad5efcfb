"""FreqCa: Accelerating Diffusion Models via Frequency-Aware Caching (arXiv 2510.08669)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...errors import PolicyError
from ...schedule import MAX_ORDER, Schedule, Tree, forecast, uniform
from ..base.parameter_checks import check_finite, check_positive
from ..base.policy import Policy


@dataclass(frozen=True)
class FreqCa(Policy):
    """Caches one tensor, the final feature, and forecasts it between computed steps: the denoiser runs every N steps.

    The authors split the last block's output by frequency, reuse the low band and forecast the high one by Hermite
    polynomials. Here it is the denoiser's own output, all of it extrapolated along the computed steps, and `gain`
    damps that: 0 reuses all bands, 1 forecasts all. As many steps are computed first as the forecast reads.

    Attributes:
        interval: steps from one computed step to the next.
        order: of the forecast.
        gain: how much of the extrapolated change is applied.
    """

    interval: int
    order: int = 2
    gain: float = 1.0

    name: ClassVar[str] = "freqca"
    usage: ClassVar[str] = "freqca:N[,order,gain]"
    summary: ClassVar[str] = "the denoiser every N steps, its output forecast between: one tensor is cached"
    paper: ClassVar[str] = "arXiv 2510.08669"

    def __post_init__(self) -> None:
        check_positive(self, "interval", self.interval)
        check_positive(self, "order", self.order)
        check_finite(self, "gain", self.gain)
        if self.order > MAX_ORDER:
            raise PolicyError(f"order {self.order} for {self.name}", f"an order in 1..{MAX_ORDER}", "lower the order")

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Forecast the denoisers but at the first steps and every `interval`-th from there."""
        first = min(self.order + 1, steps)
        computed = [*range(first), *range(self.order, steps, self.interval)]
        columns = [c.id for c in tree.of_kind("denoiser")]
        return uniform(tree, steps, columns, computed, forecast(self.order, self.gain))

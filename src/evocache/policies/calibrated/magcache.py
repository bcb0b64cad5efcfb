"""MagCache: Fast Video Generation with Magnitude-Aware Cache (Ma et al., NeurIPS 2025, arXiv 2506.09045)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ...errors import CodecError, PolicyError
from ...schedule import Schedule, Tree, uniform
from ...schedule.io import strict_json as sj
from ...schedule.size_limits import MAX_STEPS
from ..base.calibration_matrices import write_spec
from ..base.parameter_checks import check_not_negative, check_positive, check_share
from ..base.policy import Policy
from ..static.steps import find_outermost


@dataclass(frozen=True)
class MagCache(Policy):
    """Reuses what all blocks add while its magnitude, by calibrated ratios, is expected to have changed little.

    Ratios of the residual's magnitude at one step to that at the step before hardly hang on the prompt. Their product
    since the last computed step tells how far the reused residual is off; these errors add up, and where the sum is
    above the threshold, or too many steps in a row were reused, the step is computed. So the decisions are known
    before the generation, and this is a schedule, no gate.

    Attributes:
        threshold: largest sum of errors.
        most: most steps in a row that are reused; the paper's K.
        retained: share of the steps at the beginning that are computed.
        file: JSON file with the list of ratios, one a step, the first 1; `search.calibrate.magnitude_ratios` measures
            them. For another number of steps the nearest are taken.
        ratios: the ratios themselves, instead of a file.
    """

    threshold: float
    most: int = 3
    retained: float = 0.2
    file: str = ""
    ratios: Sequence[float] | None = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "magcache"
    usage: ClassVar[str] = "magcache:THRESHOLD,most,retained,FILE"
    summary: ClassVar[str] = "reuses all blocks while calibrated ratios of magnitudes predict a small error"
    paper: ClassVar[str] = "arXiv 2506.09045"

    def __post_init__(self) -> None:
        check_not_negative(self, "threshold", self.threshold)
        check_positive(self, "most", self.most)
        check_share(self, "retained", self.retained)

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy; ratios that were given in memory are not part of it."""
        return write_spec(self, f"{self.threshold:g}", self.most, f"{self.retained:g}", self.file)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the stack of each denoiser except at the steps that the ratios ask for."""
        ratios = np.asarray(self.ratios if self.ratios is not None else self._read(), dtype=float)
        at = np.round(np.linspace(0, len(ratios) - 1, steps)).astype(int) if steps > 1 else [-1]
        computed = self.computed_steps(ratios[at].tolist())
        return uniform(tree, steps, [c.id for c in find_outermost(tree)], computed)

    def computed_steps(self, ratios: Sequence[float]) -> list[int]:
        """Return the steps to compute, for one ratio a step."""
        computed, ratio, error, reused = [], 1.0, 0.0, 0
        retained = int(self.retained * len(ratios) + 0.5)
        for step, change in enumerate(ratios):
            if step >= retained:
                ratio, reused = ratio * change, reused + 1
                error += abs(1 - ratio)
                if step and error <= self.threshold and reused <= self.most:
                    continue
                ratio, error, reused = 1.0, 0.0, 0
            computed.append(step)
        return computed

    def _read(self) -> list[float]:
        """The ratios in the file."""
        mend = "measure them with evocache.search.calibrate.magnitude_ratios.ratios and write them to a JSON file"
        if not self.file:
            raise PolicyError(f"{self.spec} without ratios", "a file of them as the last parameter", mend)
        try:
            ratios = sj.read_list(sj.parse_any(sj.read_text(self.file)), "the ratios")
            found = [sj.read_number(ratio, "a ratio") for ratio in ratios]
        except CodecError as error:
            given = f"{self.file!r} ({error.given}, where {error.expected} is due)"
            raise PolicyError(given, "a list of ratios above 0, one a step", mend) from None
        if not 1 <= len(found) <= MAX_STEPS or min(found) <= 0:
            raise PolicyError(f"{self.file!r}", "a list of ratios above 0, one a step", mend)
        return found

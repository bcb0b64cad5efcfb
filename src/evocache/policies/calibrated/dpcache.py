"""DPCache: Denoising as Path Planning, Training-Free Acceleration of Diffusion Models (CVPR 2026, arXiv 2602.22654)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ...schedule import Schedule, Tree, uniform
from ..base.calibration_matrices import Matrices, read_matrices, write_spec
from ..base.parameter_checks import check_positive
from ..base.policy import Policy
from ..base.step_paths import Cost, add_up, find_best_path
from ..static.steps import find_outermost


@dataclass(frozen=True)
class DPCache(Policy):
    """Computes so many steps, chosen by dynamic programming so that the calibrated errors between add up to the least.

    Between, the residual of all blocks is reused. The errors are relative squared distances of that residual, which
    hang on the last computed step alone; the authors forecast between steps, and their errors hang on two. BudCache
    has the same aim and searches locally. For another number of steps than was calibrated, the schedule is resampled.

    Attributes:
        computed: number of computed steps, of those that were calibrated.
        calibration: folder of a run, or its `calibration.json`, where the errors are read from.
        drift: the errors themselves, by component, instead of a file.
    """

    computed: int
    calibration: str = ""
    drift: Matrices | None = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "dpcache"
    usage: ClassVar[str] = "dpcache:COUNT,FILE"
    summary: ClassVar[str] = "all blocks at COUNT steps, those with the least sum of calibrated errors between"
    paper: ClassVar[str] = "arXiv 2602.22654"
    add: ClassVar[Callable[[Cost, float], Cost]] = staticmethod(add_up)

    def __post_init__(self) -> None:
        check_positive(self, "computed", self.computed)

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy; errors that were given in memory are not part of it."""
        return write_spec(self, self.computed, self.calibration)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the stack of each denoiser except at the steps of the best path."""
        drift = self.drift if self.drift is not None else read_matrices(self, self.calibration, "drift")
        parts = [c.id for c in find_outermost(tree)]
        known = [drift[id] for id in parts if id in drift]
        if not known:
            raise self.refuse(tree, f"a model with {', '.join(drift) or 'components'}", "calibrate on this model")
        calibrated = len(known[0])
        mask = find_best_path(np.sum(known, axis=0), min(self.computed, calibrated), type(self).add)
        return uniform(tree, calibrated, parts, mask).resampled(steps)

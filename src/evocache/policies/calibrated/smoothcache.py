"""SmoothCache: A Universal Inference Acceleration Technique for Diffusion Transformers (arXiv 2411.10510)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...schedule import COMPUTE, REUSE, Schedule, Tree
from ..base.calibration_matrices import Matrices, read_matrices, write_spec
from ..base.parameter_checks import check_not_negative
from ..base.policy import Policy

Errors = Matrices
"""By group of layers (`transformer/attention`), a (steps, steps) matrix: mean relative L1 error, over the group, of
using the output computed at one step (row) at a later one (column)."""

LOOKAHEAD = 3
"""Most steps in a row that are reused: beyond it, the paper does not calibrate."""


@dataclass(frozen=True)
class SmoothCache(Policy):
    """Reuses layers for as many steps as their calibrated error stays within a threshold.

    Layers of one kind in one denoiser decide together, by the mean of their errors (eq. 4): deciding layer by layer
    would let errors add up along the depth. The first and the last step are computed, as the authors do. For another
    number of steps than was calibrated, the schedule is resampled.

    Attributes:
        threshold: largest mean relative L1 error; the paper's alpha.
        calibration: folder of a run, or its `calibration.json`, where the errors are read from.
        errors: the errors themselves, instead of a file; `Calibration.errors`.
    """

    threshold: float
    calibration: str = ""
    errors: Errors | None = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "smoothcache"
    usage: ClassVar[str] = "smoothcache:THRESHOLD,FILE"
    summary: ClassVar[str] = "reuses each kind of layer while its calibrated error is below the threshold"
    paper: ClassVar[str] = "arXiv 2411.10510"

    def __post_init__(self) -> None:
        check_not_negative(self, "threshold", self.threshold)

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy; errors that were given in memory are not part of it."""
        return write_spec(self, f"{self.threshold:g}", self.calibration)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse each group of layers between the steps that its errors ask for."""
        errors = self.errors if self.errors is not None else read_matrices(self, self.calibration, "errors")
        columns = group_columns(tree)
        known = [name for name in columns if name in errors]
        if not known:
            raise self.refuse(tree, f"a model with {', '.join(errors) or 'layers'}", "calibrate on this model")
        calibrated = len(errors[known[0]])
        orders = np.full((calibrated, len(tree)), COMPUTE.order, dtype=np.int8)
        for name in known:
            skipped = np.setdiff1d(np.arange(calibrated), choose_steps(errors[name], self.threshold))
            orders[np.ix_(skipped, np.array(columns[name]))] = REUSE.order
        return Schedule(tree, orders).resampled(steps)


def group_columns(tree: Tree) -> dict[str, list[int]]:
    """Return the columns of layers that decide together: leaves of a kind in a denoiser, `transformer/attention`."""
    out: dict[str, list[int]] = {}
    for i in tree.leaves:
        component = tree.components[i]
        out.setdefault(f"{component.denoiser}/{component.kind}", []).append(i)
    return out


def choose_steps(errors: npt.NDArray[np.float64], threshold: float) -> list[int]:
    """Return the steps to compute: from each, the farthest jump within `LOOKAHEAD` whose error is within the threshold.

    Args:
        errors: (steps, steps); `errors[computed, step]` is read for computed < step.
        threshold: largest error.
    """
    steps, step, computed = len(errors), 0, []
    while step < steps:
        computed.append(step)
        jumps = [k for k in range(1, LOOKAHEAD + 1) if step + k < steps and errors[step, step + k] <= threshold]
        step += 1 + max(jumps, default=0)
    return sorted({*computed, steps - 1})

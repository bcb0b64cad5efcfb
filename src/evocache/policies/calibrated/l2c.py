"""L2C, Learning-to-Cache: Accelerating Diffusion Transformer via Layer Caching (NeurIPS 2024, arXiv 2406.01733)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ...schedule import COMPUTE, REUSE, Schedule, Tree
from ..base.calibration_matrices import Matrices, read_matrices, write_spec
from ..base.parameter_checks import check_share
from ..base.policy import Policy


@dataclass(frozen=True)
class LearningToCache(Policy):
    """Computes every second step; at those between, reuses the share of layers that change least, each step its own.

    The authors train which layers these are. Here they are the cells (step, layer) with the least calibrated drift
    since the step before, over all steps between together. For another number of steps the schedule is resampled.

    Attributes:
        share: of the layers at the steps between.
        calibration: folder of a run, or its `calibration.json`, where the drift is read from.
        drift: by component, instead of a file.
    """

    share: float
    calibration: str = ""
    drift: Matrices | None = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "l2c"
    usage: ClassVar[str] = "l2c:SHARE,FILE"
    summary: ClassVar[str] = (
        "all layers at every second step; at the others, SHARE of them is reused: those that change least"
    )
    paper: ClassVar[str] = "arXiv 2406.01733"

    def __post_init__(self) -> None:
        check_share(self, "share", self.share)

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy; drift that was given in memory is not part of it."""
        return write_spec(self, f"{self.share:g}", self.calibration)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the calmest cells of odd steps."""
        drift = self.drift if self.drift is not None else read_matrices(self, self.calibration, "drift")
        columns = [i for i in tree.leaves if tree.components[i].id in drift]
        if not columns:
            raise self.refuse(tree, f"a model with {', '.join(drift) or 'layers'}", "calibrate on this model")
        matrices = [drift[tree.components[i].id] for i in columns]
        between = np.arange(1, len(matrices[0]), 2)
        changes = np.array([matrix[between - 1, between] for matrix in matrices])  # (layers, steps between)
        calmest = np.argsort(changes, axis=None, kind="stable")[: round(self.share * changes.size)]
        layer, step = np.unravel_index(calmest, changes.shape)
        orders = np.full((len(matrices[0]), len(tree)), COMPUTE.order, dtype=np.int8)
        orders[between[step], np.array(columns)[layer]] = REUSE.order
        return Schedule(tree, orders).resampled(steps)

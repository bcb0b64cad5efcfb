"""LeMiCa: Lexicographic Minimax Path Caching for Efficient Diffusion-Based Video Generation (arXiv 2511.00090)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ..base.step_paths import Cost, keep_worst
from .dpcache import DPCache


@dataclass(frozen=True)
class LeMiCa(DPCache):
    """Computes so many steps, chosen so that the worst stretch between two of them is the least bad; then the next.

    A stretch is as bad as the calibrated errors in it together. The authors measure, for each stretch, how far the
    final output moves; here it is the residual of all blocks, as for `DPCache`.

    Attributes:
        computed: number of computed steps, of those that were calibrated.
        calibration: folder of a run, or its `calibration.json`, where the errors are read from.
        drift: the errors themselves, by component, instead of a file.
    """

    name: ClassVar[str] = "lemica"
    usage: ClassVar[str] = "lemica:COUNT,FILE"
    summary: ClassVar[str] = "all blocks at COUNT steps, those whose worst stretch between two is best"
    paper: ClassVar[str] = "arXiv 2511.00090"
    add: ClassVar[Callable[[Cost, float], Cost]] = staticmethod(keep_worst)

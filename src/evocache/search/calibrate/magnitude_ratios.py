"""Measures the ratios that MagCache (arXiv 2506.09045) goes by: how the magnitude of what all blocks add changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import PipelineError
from ...policies import Gate
from ...policies.base.rule import Rule
from ...runtime.apply import apply
from ...runtime.gates.signals import Magnitude


@dataclass(frozen=True)
class _Watching(Gate):
    """A gate that sees the whole stack and computes every step."""

    name: ClassVar[str] = "magnitudes"
    usage: ClassVar[str] = "magnitudes"
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = "arXiv 2506.09045"
    signal: ClassVar[str] = "magnitude"

    @property
    def head(self) -> int:
        """All blocks are seen."""
        return 0

    @property
    def depth(self) -> None:
        """Not in a U-Net, where nothing is added to what enters."""
        return None

    def rule(self, steps: int) -> Rule:
        """Compute."""
        return Rule(steps, 0.0, warmup=steps)


def measure_ratios(pipe: Any, generate: Callable[[], object]) -> list[float]:
    """Compute, for each step that is run, the residual's magnitude over that of the step before; 1 at the first.

    The output is as without it. Where a step takes several calls, the first counts; of several denoisers or passes, the
    one with the most steps.

    Args:
        pipe: a pipeline; what was applied to it is removed.
        generate: makes one generation with it.

    Raises:
        PipelineError: if no blocks were called.
        PolicyError: if it has no stack of blocks.
    """
    with apply(pipe, _Watching()) as handle:
        generate()
    signals = [governor.signal for governor in (handle._latest.record.governors.all if handle._latest else ())]
    found = [signal.ratios for signal in signals if isinstance(signal, Magnitude)]
    longest = max(found, key=len, default=[])
    if not longest:
        raise PipelineError("a generation in which no blocks were called", "one that denoises", "call the pipeline")
    return [float(ratio) for ratio in longest]

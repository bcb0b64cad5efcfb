"""How much the denoiser calls of a generation compute under what is applied: what moves of features may hide behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...memory.rehearsal.fake_operations import Fakes
from ...memory.rehearsal.rehearsal import rehearse, shadow
from ...model import Denoiser, Measure, probe
from ...model.discover import describe_denoiser
from ...schedule import Schedule


def counted(denoiser: Denoiser, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Measure]:
    """Measures of a denoiser's components, by id, without times: its call is followed on the meta device.

    Args:
        denoiser: the denoiser; its weights may be anywhere, also on the meta device.
        args: positional arguments that it is called with; only shapes and types matter.
        kwargs: keyword arguments that it is called with.
    """
    double = describe_denoiser(denoiser.name, shadow(denoiser.module))

    def call(*args: Any, **kwargs: Any) -> dict[str, Measure]:
        return probe(double, args, kwargs, repeats=0)

    found: dict[str, Measure] = rehearse(double.module, args, kwargs, call=call, fakes=Fakes()).output
    return found


def work(own: Mapping[str, float], schedule: Schedule, starts: Sequence[int], calls: int) -> float:
    """Floating-point operations of a denoiser's calls.

    Args:
        own: operations of each component in one call, its parts not included.
        schedule: what the denoiser follows.
        starts: for each of its branches, the step at which it is first called. Of a single one guidance may be within
            the batch, half of which it then makes from the other.
        calls: of the denoiser in the generation.
    """
    of = [schedule.of_branch(i) for i in range(len(starts))] if len(starts) > 1 else [schedule]
    run = [branch.starting_at(start) for branch, start in zip(of, starts, strict=True) if start < schedule.steps]
    steps = sum(part.steps for part in run)
    return calls * sum(part.cost(own) for part in run) / steps if steps else 0.0

"""The calibration of a run: taken once, and kept in its folder for later sittings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...errors import RunError
from ..evaluate.faults import retry_faults
from ..evaluate.local import LocalEvaluator
from ..evaluate.workload import Workload
from ..genome.step_counts import choose_least_steps as usual_least
from .calibrate import CHECKED, FITTED, WITHIN, calibrate
from .calibration_file import Calibration, read_calibration, write_calibration

CALIBRATION = 4
"""Prompts that features and times are calibrated on."""

LEAST_SCHEDULES = 6
"""Fewest schedules that are timed; a third of them check the latency model."""

CALIBRATING = 0.15
"""Time for timing schedules in the calibration, relative to the evolution's, as far as that is less than `WITHIN`."""


def calibrate_run(
    evaluator: LocalEvaluator,
    folder: Path,
    budget_seconds: float | None,
    wanted: int | None,
    call_seconds: float = 0.0,
) -> tuple[Calibration, int | None]:
    """Calibrate, or take what an earlier sitting calibrated; and the fewest steps, if there may be fewer.

    Args:
        evaluator: whose pipeline and workload.
        folder: of the run.
        budget_seconds: of the whole evolution; None where it is not limited.
        wanted: fewest steps that the user asks for.
        call_seconds: what the uncached call of the calibration's prompts takes, where that is known.

    Raises:
        RunError: if fewer steps are wanted that cannot be had.
    """
    earlier = read_calibration(folder)
    if earlier is not None:
        return earlier, _least(earlier.steps, wanted, possible=earlier.costs.varies)
    prompts = choose_first_call(evaluator.workload)
    least = _least(evaluator.steps, wanted, possible=evaluator.varies)
    if least is not None and not evaluator.manages(least):
        least = _least(evaluator.steps, wanted, possible=False)
    within = WITHIN if budget_seconds is None else min(WITHIN, CALIBRATING * budget_seconds)
    few = count_affordable_schedules(call_seconds, within)
    timing = calibrate if few is None else partial(calibrate, schedules=few)
    found = retry_faults(lambda: timing(evaluator, prompts, within=within, least=least), waits=evaluator.waits)
    write_calibration(folder, found)
    known = read_calibration(folder)  # as later sittings will: the file's digits are fewer, and seeds follow from them
    assert known is not None
    return known, least


def count_affordable_schedules(call_seconds: float, within: float) -> tuple[int, int] | None:
    """Return how many schedules are fitted and checked so that one round ends in time; None if there is time for all.

    Args:
        call_seconds: what an uncached call takes; with the uncached calls between, a schedule takes about as long.
        within: seconds of the timing.
    """
    if (FITTED + CHECKED) * call_seconds <= within:
        return None
    count = max(LEAST_SCHEDULES, int(within / call_seconds))
    return count - count // 3, count // 3


def choose_first_call(workload: Workload) -> list[int]:
    """Return the numbers of the prompts in the call that is calibrated."""
    return workload.batches(range(min(CALIBRATION, len(workload.prompts))))[0]


def _least(steps: int, wanted: int | None, *, possible: bool) -> int | None:
    """Fewest steps that schedules may have; None if all have the same."""
    least = usual_least(steps) if wanted is None else wanted
    if least >= steps:
        return None
    if possible:
        return least
    if wanted is not None:
        raise RunError(
            f"at least {wanted} steps of {steps}, where they cannot be varied",
            "a pipeline that makes as many steps as num_inference_steps says, evolved from the start with fewer ones",
            "leave it out, or use a new folder",
        )
    return None

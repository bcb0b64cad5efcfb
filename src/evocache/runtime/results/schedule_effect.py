"""Whether a generation followed its schedule: no effect, or too few steps, is not passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ...schedule import Schedule

if TYPE_CHECKING:
    from ..attach.observers import Observed
    from ..ops.branch import Branch


def shortcomings(
    names: Sequence[str],
    branches: Sequence[Branch],
    schedule: Schedule | None,
    observed: Mapping[str, Observed],
    *,
    uncounted: bool = False,
) -> Iterator[str]:
    """Yield what of its schedule a generation did not follow, as a user is told it.

    Args:
        names: the pipeline's denoisers, if its scheduler made steps.
        branches: all branches of the generation.
        schedule: what was executed, for all steps that the scheduler made; None if no denoiser was called.
        observed: by denoiser, a module of it that was observed.
        uncounted: whether nothing said how many steps there are.
    """
    reason = without_effect(names, branches, schedule, observed)
    if uncounted:
        reason = "the pipeline gives no scheduler its timesteps, and its call says no number of steps"
    if reason is not None:
        yield f"nothing was reused: {reason}"
    beyond = past_the_end(branches)
    if beyond is not None:
        yield f"not all of the schedule was followed: {beyond}"


def without_effect(
    names: Sequence[str], branches: Sequence[Branch], schedule: Schedule | None, observed: Mapping[str, Observed]
) -> str | None:
    """Say why a generation reused nothing, or nothing of guidance, although its schedule meant to; None if it did.

    Args:
        names: the pipeline's denoisers, if its scheduler made steps.
        branches: all branches of the generation.
        schedule: what was executed, for all steps that the scheduler made; None if no denoiser was called.
        observed: by denoiser, a module of it that was observed.
    """
    if schedule is None:
        return f"{' and '.join(names)} took no part: the pipeline does not call it as a module" if names else None
    meant = {c.denoiser for c, runs in zip(schedule.tree, schedule.executed.T, strict=True) if not runs.all()}
    reusing = [branch for branch in branches if branch.denoiser.name in meant]
    if not reusing:
        return None
    if any((branch.executed < branch.calls).any() for branch in reusing):
        return _guidance_without_effect(reusing, schedule, observed)
    if meant <= observed.keys():
        return f"{_seen(sorted(meant), observed)}; a schedule of single layers, such as fora:2, reuses the others"
    calls = sum(branch.calls for branch in reusing)
    first = min(branch.plan.start for branch in reusing)
    return (
        f"{' and '.join(sorted(meant))} called {calls} times from step {first} of {schedule.steps} on, at most "
        f"{max(branch.calls for branch in reusing)} times in a row with inputs of one shape"
    )


def _seen(names: Sequence[str], observed: Mapping[str, Observed]) -> str:
    """What is observed in denoisers, and what that means."""
    found = [f"{name}.{observed[name].path}".strip(".") + f" is observed {observed[name].how}" for name in names]
    return f"{' and '.join(found)}, and what contains it is computed at every step"


def _guidance_without_effect(
    branches: Sequence[Branch], schedule: Schedule, observed: Mapping[str, Observed]
) -> str | None:
    """Why no call was made from the first of its step although the schedule says so; None if one was."""
    meant = {schedule.components[i].denoiser for i in schedule.tree.guides if schedule.read[:, i].any()}
    executed = {
        branch.denoiser.name
        for branch in branches
        if branch.layout.guidance is not None and branch.executed[branch.layout.guidance] < branch.calls
    }
    names = sorted((meant - executed) & {branch.denoiser.name for branch in branches})
    if not names:
        return None
    if names and set(names) <= observed.keys():
        return f"of guidance, since {_seen(names, observed)}"
    return f"of guidance, since no step of {' and '.join(names)} had a second call with the latents of its first"


def past_the_end(branches: Sequence[Branch]) -> str | None:
    """Return where a pipeline made more steps than its scheduler has timesteps, all computed; None if it did not."""
    late = [branch for branch in branches if branch.step >= branch.plan.start + len(branch.plan.rows)]
    if all(branch.plan.schedule.executed.all() for branch in late):
        return None
    branch = max(late, key=lambda branch: branch.step)
    steps = branch.plan.start + len(branch.plan.rows)
    return (
        f"{branch.denoiser.name} made {branch.step + 1} steps where the scheduler has {steps}: those after them "
        "were computed as a whole"
    )

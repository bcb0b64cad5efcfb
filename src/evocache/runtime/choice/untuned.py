"""The policy that is predicted to reach a speed-up on a model of which nothing was measured."""

from __future__ import annotations

import math
from typing import Any

from ...errors import PolicyError
from ...model import Denoiser, Model
from ...model.example_inputs import Shape, make_example_inputs
from ...policies import EvenSteps, NoCache, Policy
from ...policies.static.steps import find_outermost
from ..call_context import usual_size
from ..estimate.quiet_logs import quiet_logs
from ..estimate.work_flops import counted
from ..program.step_arguments import usual_steps

OVERHEAD = 0.03
"""What a skipped step costs, as a share of one that is computed, beside what it computes: starting the work, and the
solver. Of `zoo:emoji` on a CPU it is about this; on larger models it is less."""

FIRST = 3
"""Steps that are computed at the start, where the picture is laid out: worth 1 to 2 dB on `zoo:emoji` at 1.5x to 2x."""

STEPS = 50
"""Steps of a call, where the pipeline does not say how many it makes."""

SIZE = 512
"""Height and width of a picture, where the pipeline does not say."""


def untuned(pipe: Any, model: Model, speedup: float) -> Policy:
    """Return the policy that is predicted to make the denoiser's part of a generation so many times faster.

    Predicted is from floating-point operations: those of a skipped step are counted on the meta device, without
    weights; where the denoiser's inputs are not known its components are counted instead. Nothing is generated.

    Args:
        pipe: the pipeline.
        model: its denoisers.
        speedup: over the uncached pipeline, at its usual number of steps.

    Raises:
        PolicyError: if a single computed step would take too long.
    """
    if speedup <= 1:
        return NoCache()
    steps = usual_steps(type(pipe).__call__) or STEPS
    skipped = min(_outside(pipe, model) + OVERHEAD, 1.0)
    # speedup = steps / (computed + skipped * (steps - computed))
    computed = math.floor(steps * (1 / speedup - skipped) / (1 - skipped) + 1e-9) if skipped < 1 else 0
    if computed < 1:
        most = steps / (1 + skipped * (steps - 1))
        raise PolicyError(
            f"speedup={speedup:g} of {steps} steps", f"at most {most:.3g}, which is one step", "ask for less"
        )
    if computed == steps:
        computed -= 1  # any speed-up takes a step that is skipped
    first = FIRST if computed > 2 * FIRST else 1
    short = EvenSteps(math.floor(1000 * steps / computed) / 1000, first)
    return short if len(short.computed(steps)) == computed else EvenSteps(steps / computed, first)


def _outside(pipe: Any, model: Model) -> float:
    """The share of the denoisers' work that a skipped step does all the same, in [0, 1]."""
    height, width = usual_size(pipe, [denoiser.module for denoiser in model.denoisers]) or (SIZE, SIZE)
    try:
        with quiet_logs():
            return max(_flops_outside(model, denoiser, height, width) for denoiser in model.denoisers)
    except Exception:  # whatever a forward raises that is given what does not suit it
        return _leaves_outside(model)


def _flops_outside(model: Model, denoiser: Denoiser, height: int, width: int) -> float:
    inputs = make_example_inputs(denoiser.module, Shape(height, width))
    found = counted(denoiser, (), inputs)
    parts = [c.id for c in find_outermost(model.tree) if c.denoiser == denoiser.name]
    return 1 - sum(found[part].flops for part in parts) / max(found[denoiser.name].flops, 1)


def _leaves_outside(model: Model) -> float:
    """The share of leaves that lie in none of the parts that are reused."""
    tree = model.tree
    inside = {c.id for c in find_outermost(tree)}
    for component in tree:  # parents come before children
        if component.parent in inside:
            inside.add(component.id)
    leaves = [tree.components[i].id for i in tree.leaves]
    return sum(leaf not in inside for leaf in leaves) / max(len(leaves), 1)

"""Whether a method works group by group, found by trial and not by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_unflatten

from ...memory.planner.footprint import Cut
from ...memory.slicing.exact_slicings import equal
from ...memory.slicing.slicing import TIME, FrameGroups, Slicing
from ...memory.slicing.tiled_methods import calls_of_parts, largest_first
from ...memory.slicing.trial_inputs import BESIDE, TRIED, at_random, cropped
from ...model.outputs import unpack
from .frame_groups import run_cut
from .module_double import ModuleDouble, run_trial

FRAMES = (5, 7, 9, 13, 17)
"""Numbers of frames that a trial is made with, until there are enough groups."""

ENOUGH = 3
"""Groups that a trial wants to see: the first, one that follows it, and one that follows that."""


def find_frame_groups(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str
) -> Slicing | None:
    """Find how a method works group by group, if the groups, joined, are exactly what it returns (see `run_trial`)."""
    return run_trial(_try_groups, module, args, kwargs, method, least=2)


def _try_groups(double: ModuleDouble) -> Slicing | None:
    """How the method works, as a trial with enough groups shows it; they are few, if the call has no more."""
    total = double.leaves[double.main].shape[TIME]
    for side in (BESIDE, TRIED):
        small = cropped(double.leaves, double.main, TIME, 2, side)
        for frames in [*(n for n in FRAMES if n < total), total]:
            sample = list(small)
            sample[double.main] = sample[double.main].narrow(TIME, 0, frames)
            calls = calls_of_parts(double.fake, double.method, sample, double.spec)
            if max(calls.values(), default=0) >= (ENOUGH if frames < total else 2):
                return _among(double, calls, sample)
    return None


def _among(double: ModuleDouble, calls: Mapping[str, int], sample: Sequence[Any]) -> Slicing | None:
    """The largest part that is called for each group, if what it gives may be handed on."""
    real = [at_random(leaf) for leaf in sample]
    args, kwargs = tree_unflatten(real, double.spec)
    whole = double.run(real)
    for part in largest_first(double.module, [name for name, count in calls.items() if count > 1]):
        inputs = tuple(TIME if i == double.main else None for i in range(len(sample)))
        outputs = tuple(TIME if isinstance(leaf, torch.Tensor) else None for leaf in whole)
        slicing = Slicing(TIME, inputs, (), outputs, False, groups=FrameGroups(part, double.main, TIME))
        try:
            joined = unpack(run_cut(double.module, double.method, Cut(slicing, 1), args, kwargs))[0]
            if equal(whole, [joined], [None] * len(whole)):
                return slicing
        except Exception:  # a part may give anything
            continue
    return None

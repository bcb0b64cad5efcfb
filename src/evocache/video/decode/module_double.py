"""What a trial of a method on a video runs on: a double of its module, and leaves that stand for its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_unflatten

from ...memory.rehearsal.rehearsal import shadow
from ...memory.slicing.slicing import Slicing, alone
from ...memory.slicing.tiled_methods import frames_axis, tiled
from ...memory.slicing.trial_inputs import blanks, double, overridden
from ...model.outputs import unpack


class ModuleDouble(NamedTuple):
    """A double of a module, and a call of one of its methods.

    Attributes:
        module: the double; it has random weights.
        fake: the same on the meta device.
        method: the method's name.
        leaves: leaves of the call's arguments as the double would be given them, on the meta device.
        main: which of them is the video.
        spec: how they are nested.
    """

    module: nn.Module
    fake: nn.Module
    method: str
    leaves: list[Any]
    main: int
    spec: Any

    def run(self, leaves: Sequence[Any]) -> Sequence[Any]:
        """Run the method alone on leaves of a call, and return the leaves of what it returns."""
        args, kwargs = tree_unflatten(list(leaves), self.spec)
        returned: Sequence[Any] = unpack(alone(self.module, self.method)(*args, **kwargs))[0]
        return returned


def run_trial(
    trial: Callable[[ModuleDouble], Slicing | None],
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    method: str,
    *,
    least: int,
    pictures: bool = False,
) -> Slicing | None:
    """Run a trial on the double of a module, without gradients, and unseen by whatever records operations.

    Args:
        trial: is given the double, and returns how its method may be run.
        module: the module; its parameters may be on the meta device.
        args: positional arguments that the method is called with; only their shapes and types matter.
        kwargs: keyword arguments.
        method: the method's name.
        least: fewest frames that the trial can tell something of.
        pictures: as for `double_module`.

    Returns:
        What the trial returns; None where there is no double for it.
    """
    with _disable_current_modes(), torch.no_grad():
        double = double_module(module, args, kwargs, method, least=least, pictures=pictures)
        return None if double is None else trial(double)


def double_module(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    method: str,
    *,
    least: int,
    pictures: bool = False,
) -> ModuleDouble | None:
    """Return the double of a module for a call that a trial can tell something of.

    None for a call without a video that is long enough, for one that the module cuts into tiles itself, and where
    something was put over the method: that may keep to the module.

    Args:
        module: the module; its parameters may be on the meta device.
        args: positional arguments that the method is called with; only their shapes and types matter.
        kwargs: keyword arguments.
        method: the method's name.
        least: fewest frames.
        pictures: whether the first tensor is meant, which may be pictures as well; else it is the first video.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    main = next((i for i in tensors if pictures or leaves[i].ndim == 5), None)
    if main is None or leaves[main].ndim not in (4, 5) or overridden(module, method):
        return None
    if leaves[main].shape[frames_axis(leaves[main])] < least:
        return None
    made = double(module)
    found = ModuleDouble(made, shadow(made), method, blanks(leaves), main, spec)
    return None if tiled(found.fake, method, found.leaves, main, spec) else found

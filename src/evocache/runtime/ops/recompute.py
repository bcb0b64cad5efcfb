"""A denoiser call made anew, without anything that is stored, where what is stored does not fit it after all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .branch_state import BranchState


class Unfit(Exception):  # noqa: N818  (not an error: the call is made anew)
    """What is stored does not fit the shapes of a call, and parts of the call were passed by already."""


class Apart(Exception):  # noqa: N818  (not an error: the call is made anew)
    """A call was begun together with those of other generations, and has to be made anew, by itself."""


class Again(Apart):
    """The same, but it is handed over once more: memory was short, and it may be computed with fewer others."""


def or_recompute(
    branch: BranchState, call: Callable[[], Any], recompute: Callable[[], Any], warn: Callable[[str], None]
) -> Any:
    """Return what a denoiser call returns; where something that is stored does not fit it, what it returns without.

    Shapes are compared where a module is called, but within a compiled region nothing can be, and a host may join what
    was recalled with what it computed. So an error that a call raises may come of what was recalled in it: then the
    call does not raise it when everything is computed.

    Args:
        branch: the call's.
        call: makes it.
        recompute: makes it without any operation on its modules.
        warn: is told of an error that did not come again.
    """
    try:
        return call()
    except Unfit:
        reason = ""
    except RuntimeError as error:
        if not branch.recalls or isinstance(error, _DEVICE):
            raise
        reason = str(error).partition("\n")[0]
    branch.recompute_all()
    output = recompute()
    if reason:
        warn(f"{branch.denoiser.name} computed everything at step {branch.step}: what is stored did not fit ({reason})")
    return output


_DEVICE: tuple[type[BaseException], ...] = tuple(
    getattr(torch, name) for name in ("OutOfMemoryError", "AcceleratorError") if hasattr(torch, name)
)
"""Errors of the device, which computing more would not mend."""

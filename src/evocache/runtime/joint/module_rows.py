"""What of a module's inputs and outputs belongs to which row of the batch, seen in calls of different numbers of rows.

A table of positions may by chance be as long as a batch, and within a video model a batch has frames for rows. Where a
module is called for one number of rows and for another, what grows with them has rows, and what stays has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from ...model.outputs import list_tensors

Signature = tuple[tuple[int, ...], ...]
"""Shapes of the tensors of a call, without their first dimensions."""

SAMPLES = 64
"""Numbers of an output that are compared."""


class Seen(NamedTuple):
    """One call of a module.

    Attributes:
        inputs: the tensors among its arguments, as their shapes.
        outputs: the tensors of its output, as their shapes.
        values: some numbers of each row of an output that has as many as the batch, or a multiple of that.
    """

    inputs: tuple[torch.Size, ...]
    outputs: tuple[torch.Size, ...]
    values: tuple[torch.Tensor, ...]


class Looks:
    """Watches modules in one call of a denoiser: the calls of each, in their order."""

    def __init__(self, modules: Sequence[int]) -> None:
        self.seen: dict[int, list[Seen]] = {id_: [] for id_ in modules}

    @property
    def table(self) -> dict[int, Callable[..., Any]]:
        """Operations that watch, by module id."""
        return dict.fromkeys(self.seen, self._watch)

    def _watch(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        shapes = tuple(tensor.shape for tensor in list_tensors((args, kwargs)))
        output = original(module, *args, **kwargs)
        found = list_tensors(output)
        values = tuple(_some(tensor) for tensor in found)
        self.seen[id(module)].append(Seen(shapes, tuple(tensor.shape for tensor in found), values))
        return output


def _some(tensor: torch.Tensor) -> torch.Tensor:
    """Some numbers of each entry of the first dimension."""
    if tensor.ndim == 0 or not tensor.is_floating_point():
        return torch.empty(0)
    flat = tensor.detach().reshape(len(tensor), -1)
    return flat[:, :: max(1, flat.shape[1] // SAMPLES)].float().clone()


class ModuleRows(NamedTuple):
    """What has rows in a module's calls of one signature: entries a row of each tensor, 0 where it has none.

    Attributes:
        inputs: of the tensors among its arguments.
        outputs: of the tensors of its output.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def signature(shapes: Sequence[torch.Size]) -> Signature:
    """Return what calls of a module have in common that differ in rows alone."""
    return tuple([shape[1:] for shape in shapes])


def rows_of(
    alone: Sequence[Sequence[Seen]], together: Sequence[Seen], rows: Sequence[int], tolerance: float
) -> dict[Signature, ModuleRows] | None:
    """Return what has rows in a module's calls, by signature; None if it cannot be told, or rows depend on others.

    Args:
        alone: the module's calls in the denoiser's call for each lane alone.
        together: those in the joint call.
        rows: of the lanes.
        tolerance: most difference of a row's numbers, relative to their largest.
    """
    if any(len(calls) != len(together) for calls in alone):
        return None
    found: dict[Signature, ModuleRows] = {}
    for joint, *each in zip(together, *alone, strict=True):
        if any(len(one.inputs) != len(joint.inputs) or len(one.outputs) != len(joint.outputs) for one in each):
            return None
        inputs = _times([one.inputs for one in each], joint.inputs, rows)
        outputs = _times([one.outputs for one in each], joint.outputs, rows)
        if inputs is None or outputs is None:
            return None
        known = found.setdefault(signature(joint.inputs), ModuleRows(inputs, outputs))
        if known != ModuleRows(inputs, outputs):
            return None
        for i, times in enumerate(outputs):
            if times and not close(torch.cat([one.values[i] for one in each]), joint.values[i], tolerance):
                return None
    return found


def _times(each: Sequence[Sequence[torch.Size]], joint: Sequence[torch.Size], rows: Sequence[int]) -> Any:
    found = []
    for shape, *alone in zip(joint, *each, strict=True):
        if any(one[1:] != shape[1:] for one in alone):
            return None
        firsts = [one[0] if len(one) else 0 for one in alone]
        times = firsts[0] // rows[0]
        if times and firsts == [times * count for count in rows] and shape[0] == times * sum(rows):
            found.append(times)
        elif all(one == shape for one in alone):
            found.append(0)
        else:
            return None
    return tuple(found)


def close(expected: torch.Tensor, found: torch.Tensor, tolerance: float) -> bool:
    """Return whether numbers differ by no more than a part of the largest of them; NaN is like NaN."""
    if expected.shape != found.shape:
        return False
    if not expected.numel():
        return True
    scale = expected.abs().nan_to_num().max().clamp_min(1e-12)
    return bool(torch.allclose(expected, found, rtol=0, atol=float(scale) * tolerance, equal_nan=True))

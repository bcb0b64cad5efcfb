"""Whether a method can be run for some frames after others, in a frame pipeline, found by trial and not by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from torch import nn
from torch.utils._pytree import tree_unflatten

from ...memory.rehearsal.meta_overrides import HiddenMetaDevice
from ...memory.rehearsal.rehearsal import shadow
from ...memory.slicing.coupling_points import FramePipeline, coupling_points, growth, record_operations
from ...memory.slicing.coupling_requests import Uncoupled
from ...memory.slicing.exact_slicings import equal, readings
from ...memory.slicing.slicing import Slicing, alone
from ...memory.slicing.tiled_methods import calls_of_parts, frames_axis
from ...memory.slicing.trial_inputs import BESIDE, TRIED, at_random, cropped
from ...model.outputs import unpack
from .frame_pipeline import decode_in_frame_pipeline
from .module_double import ModuleDouble, run_trial

WAYS = ((0, False), (0, True), (1, False), (1, True))
"""Positions that a slice has twice, and whether convolutions look ahead: what holds and costs less comes first."""

READINGS = 2
"""Ways of reading a call that are tried."""


def find_frame_pipeline(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str
) -> Slicing | None:
    """Find how a method runs for some frames after others, if slices, joined, are what it returns (see `run_trial`)."""

    def try_slices(double: ModuleDouble) -> Slicing | None:
        main, spec = double.main, double.spec
        axis = frames_axis(double.leaves[main])
        trial = _Trial(alone(double.module, method, meeting=False), alone(double.fake, method, meeting=False), spec)
        for slicing in _ways(double.leaves, main, axis):
            if _otherwise(double, slicing, cropped(double.leaves, main, axis, 2, TRIED)):
                return None
            if trial.exact(slicing, double.leaves, main):
                try:
                    own = shadow(unpack((args, dict(kwargs)))[0])
                    return _seen(alone(shadow(module), method, meeting=False), slicing, own, main, spec)
                except Exception:  # a large call may take another path than a small one
                    return None
        return None

    return run_trial(try_slices, module, args, kwargs, method, least=3, pictures=True)


def _ways(leaves: Sequence[Any], main: int, axis: int) -> Iterator[Slicing]:
    """Ways that are worth a trial, likely ones first."""
    shape = tuple(0 if i == axis else n for i, n in enumerate(leaves[main].shape))
    for inputs, counts in islice(readings(leaves, main, axis), READINGS):
        for before, ahead in WAYS if axis else WAYS[:2]:
            yield Slicing(axis, inputs, counts, (), True, pipeline=FramePipeline(before, ahead, shape, (), ()))


def _seen(call: Callable[..., Any], slicing: Slicing, leaves: Sequence[Any], main: int, spec: Any) -> Slicing:
    """A way with its coupling points, and how its outputs grow, as two short calls on the meta device show them.

    Raises:
        Uncoupled: if they do not.
    """
    pipeline = slicing.pipeline
    assert pipeline is not None
    found = []
    for frames in (pipeline.before + 1, pipeline.before + 2):
        args, kwargs = tree_unflatten(slicing.cut(leaves, 0, frames), spec)
        with HiddenMetaDevice():
            came, out = record_operations(lambda a=args, k=kwargs: call(*a, **k))  # type: ignore[misc]
        found.append((came, unpack(out)[0]))
    (fewer, before), (more, after) = found
    grew = growth(before, after)
    if all(axis is None for axis, _ in grew):
        raise Uncoupled("what is returned does not grow")
    shape = tuple(0 if i == slicing.axis else n for i, n in enumerate(leaves[main].shape))
    seen = replace(pipeline, shape=shape, points=coupling_points(fewer, more, 1), rates=tuple(rate for _, rate in grew))
    return replace(slicing, outputs=tuple(axis for axis, _ in grew), pipeline=seen)


def _otherwise(double: ModuleDouble, slicing: Slicing, leaves: Sequence[Any]) -> bool:
    """Whether as many frames as there are take another path than as few as are tried: by tiles of time, say.

    A part may be called once for each of them, but not more often in any other way.
    """
    total = slicing.length(leaves)
    tried = min(total, TRIED)
    many = calls_of_parts(double.fake, double.method, leaves, double.spec)
    few = calls_of_parts(double.fake, double.method, slicing.cut(leaves, 0, tried), double.spec)
    return any(many[part] not in (few[part], few[part] * total / max(tried, 1)) for part in many | few)


class _Trial:
    """A double's method, the same on the meta device, and how its arguments are nested."""

    def __init__(self, call: Callable[..., Any], fake: Callable[..., Any], spec: Any) -> None:
        self._call = call
        self._fake = fake
        self._spec = spec
        self._wholes: dict[int, Sequence[Any] | None] = {}

    def exact(self, slicing: Slicing, leaves: Sequence[Any], main: int) -> bool:
        """Whether slices of a sample, of one position each, give what the whole of it gives."""
        frames = min(slicing.length(leaves), TRIED)
        if not frames:
            return False
        few = slicing.cut(leaves, 0, frames)
        for side in (BESIDE, TRIED):
            sample = cropped(few, main, slicing.axis, 2, side)
            try:
                seen = _seen(self._fake, slicing, sample, main, self._spec)  # costs next to nothing
            except Exception:  # a module may fail in any way when it is shown too little, or not all that is cut
                continue
            real = [at_random(leaf) for leaf in sample]
            whole = self._whole(side, real)
            if whole is None:
                continue
            try:
                pieces = [
                    unpack(piece)[0] for piece in decode_in_frame_pipeline(self._call, seen, frames, real, self._spec)
                ]
            except Exception:  # or when it is cut where it must not be
                return False
            return equal(whole, pieces, seen.outputs)
        return False

    def _whole(self, side: int, real: Sequence[Any]) -> Sequence[Any] | None:
        """What the call gives for a sample; None if it does not run on a part like this."""
        if side not in self._wholes:
            args, kwargs = tree_unflatten(list(real), self._spec)
            try:
                self._wholes[side] = unpack(self._call(*args, **kwargs))[0]
            except Exception:  # a module may fail in any way when it is shown too little
                self._wholes[side] = None
        return self._wholes[side]

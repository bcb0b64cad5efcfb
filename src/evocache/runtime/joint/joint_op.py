"""A module's call for several generations: each does what its schedule says, and what computes does so jointly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from ...memory.batch_parts import part_of
from ..attach.call_scope import Op
from ..attach.slot import Slot
from ..ops.leaf import Blank, Keep, Reuse
from ..ops.recompute import Apart
from ..ops.stored_output import Packing, packed, repacked
from ..ops.table import computes
from .batch import Batch
from .joint_slot import slot_of
from .module_rows import ModuleRows, Signature, signature

BY_SHAPES = (Blank, Keep, Reuse)
"""Operations that look at nothing of their arguments but shapes."""


class JointOp:
    """Stands in for a module's call in a joint call.

    Args:
        batch: the lanes.
        ops: what each lane's schedule does at the module's call; None where it just computes.
        known: which of its tensors have rows, by the signature of its calls.
    """

    __slots__ = ("batch", "known", "ops")

    def __init__(self, batch: Batch, ops: Sequence[Op | None], known: Mapping[Signature, ModuleRows]) -> None:
        self.batch = batch
        self.ops = ops
        self.known = known

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        batch = self.batch
        present = batch.present
        if all(self.ops[lane] is None for lane in present):
            return original(module, *args, **kwargs)
        wholes, packing = packed((args, kwargs))
        times = self.known.get(signature([whole.shape for whole in wholes]))
        if times is None:
            raise Apart
        given = _Given(batch, wholes, packing, times.inputs)
        shared = _Shared(self, original, module, args, kwargs, times, given)
        return shared.merge([self._lane(shared, at, lane, given) for at, lane in enumerate(present)])

    def slot(self, module: Any) -> Slot | None:
        """Return a slot that does the same within a compiled region, if all lanes have slots of one type."""
        return slot_of(self.batch, [self.ops[lane] for lane in self.batch.present], self.known, module)

    def _lane(self, shared: _Shared, at: int, lane: int, given: _Given) -> Any:
        op = self.ops[lane]
        if op is None:
            return shared.compute(at)
        args, kwargs = given.like(at) if type(op) in BY_SHAPES else given.own(at)
        return op(lambda *_, **__: shared.compute(at), shared.module, args, kwargs)


class _Given:
    """The arguments of one module's call, split by lanes where somebody wants to know them.

    Args:
        batch: the lanes.
        wholes: the tensors among the arguments.
        packing: all else.
        times: entries a row of each tensor; 0 where it has no rows.
    """

    def __init__(self, batch: Batch, wholes: Sequence[torch.Tensor], packing: Packing, times: Sequence[int]) -> None:
        self._batch = batch
        self._wholes = wholes
        self._packing = packing
        self._times = times
        self._present = batch.present
        self._own: list[Any] | None = None
        self._like: dict[int, Any] = {}

    def own(self, at: int) -> Any:
        """Return the arguments of one of the lanes present."""
        if self._own is None:
            lanes = len(self._present)
            split = [
                self._batch.parts(whole, n) if n else [whole] * lanes
                for whole, n in zip(self._wholes, self._times, strict=True)
            ]
            parts = zip(*split, strict=True) if split else [()] * lanes
            self._own = [repacked(list(own), self._packing) for own in parts]
        return self._own[at]

    def like(self, at: int) -> Any:
        """Return arguments of the shapes of one of the lanes present; what is in them is another's."""
        rows = self._batch.rows[self._present[at]]
        if rows not in self._like:
            parts = [whole[: rows * n] if n else whole for whole, n in zip(self._wholes, self._times, strict=True)]
            self._like[rows] = repacked(parts, self._packing)
        return self._like[rows]


class _Shared:
    """What the lanes of one module's call compute, once for all of them.

    Args:
        op: the operation.
        original: calls the module.
        module: the module.
        args: positional arguments of the whole batch.
        kwargs: its named arguments.
        times: entries a row of its tensors.
        given: the arguments of each lane.
    """

    def __init__(
        self,
        op: JointOp,
        original: Callable[..., Any],
        module: Any,
        args: Any,
        kwargs: Any,
        times: ModuleRows,
        given: _Given,
    ) -> None:
        self.module = module
        self._batch = op.batch
        self._ops = op.ops
        self._original = original
        self._whole = args, kwargs
        self._times = times
        self._given = given
        self._present = op.batch.present
        self._computing = [at for at, lane in enumerate(self._present) if computes(op.ops[lane])]
        self._parts: dict[int, Any] = {}
        self._output: Any = None

    def compute(self, at: int) -> Any:
        """Return what the module gives one of the lanes: computed with all that were to compute it, else by itself."""
        if at not in self._parts:
            together = self._computing if at in self._computing else [at]
            output = self._run(together)
            self._parts.update(zip(together, self._split(output, together), strict=True))
            if len(together) == len(self._present):
                self._output = output
        return self._parts[at]

    def _storing(self, lanes: Sequence[int]) -> Iterator[bool]:
        """Which lanes store what they are given as it is."""
        return (isinstance(self._ops[self._present[at]], Keep) for at in lanes)

    def _run(self, lanes: Sequence[int]) -> Any:
        if len(lanes) == len(self._present):
            args, kwargs = self._whole
            return self._original(self.module, *args, **kwargs)
        given = [self._given.own(at) for at in lanes]
        with self._batch.among([self._present[at] for at in lanes]):
            args, kwargs = self._join(given, self._times.inputs)
            return self._original(self.module, *args, **kwargs)

    def _split(self, output: Any, lanes: Sequence[int]) -> list[Any]:
        """The parts of an output, in its memory; those that are stored as they are count writes for themselves."""
        wholes, packing = packed(output)
        if len(wholes) != len(self._times.outputs):
            raise Apart
        found: list[list[torch.Tensor]] = [list(wholes) for _ in lanes]
        with self._batch.among([self._present[at] for at in lanes]):
            if len(lanes) == 1 and not self._batch.padding:
                return [output]
            for i, (whole, times) in enumerate(zip(wholes, self._times.outputs, strict=True)):
                if not times:
                    continue
                views = self._batch.split(whole, times)
                parts = [
                    part_of(part) if storing else part
                    for part, storing in zip(views, self._storing(lanes), strict=True)
                ]
                self._batch.note_parts(whole, parts)
                self._batch.watch(whole, parts)
                for own, part in zip(found, parts, strict=True):
                    own[i] = part
        return [repacked(own, packing) for own in found]

    def merge(self, outputs: Sequence[Any]) -> Any:
        """Return what the lanes give as what the module gives for all of them."""
        if self._output is not None and all(out is self._parts[at] for at, out in enumerate(outputs)):
            return self._output
        if len(outputs) == 1 and not self._batch.padding:
            return outputs[0]
        return self._join(outputs, self._times.outputs)

    def _join(self, values: Sequence[Any], times: Sequence[int]) -> Any:
        each = [packed(value) for value in values]
        joined, packing = list(each[0][0]), each[0][1]
        if any(len(own) != len(times) for own, _ in each):
            raise Apart
        for i, count in enumerate(times):
            if not count:
                continue
            parts = [own[i] for own, _ in each]
            joined[i] = self._batch.join(parts, count)
            self._batch.note_parts(joined[i], parts)
            self._batch.watch(joined[i], parts)
        return repacked(joined, packing)

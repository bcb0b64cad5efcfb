"""A module's call for several generations: each does what its schedule says, and what computes does so jointly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from ..attach.call_scope import Op
from ..attach.slot import Slot
from ..ops.leaf import Blank, Keep, Reuse
from ..ops.recompute import Apart
from ..ops.stored_output import packed, repacked
from ..ops.table import computes
from .batch import Batch
from .given import Given
from .joint_slot import slot_of
from .module_rows import ModuleRows, Signature, signature

BY_SHAPES = frozenset((Blank, Keep, Reuse))
"""Operations that look at nothing of their arguments but shapes."""

_NOTHING, _ALL_KEEP = {type(None)}, {Keep}
"""Types of what lanes do where all just compute, and where all store what they are given."""


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
        ops = [self.ops[lane] for lane in present]
        kinds = set(map(type, ops))
        if kinds == _NOTHING:
            return original(module, *args, **kwargs)
        given = Given(batch, args, kwargs)
        times = self.known.get(signature([whole.shape for whole in given.wholes]))
        if times is None:
            raise Apart
        given.read(times.inputs)
        shared = _Shared(self, original, module, args, kwargs, times, given)
        if kinds == _ALL_KEEP:
            return shared.keep(ops)
        return shared.merge([self._lane(shared, at, lane, given) for at, lane in enumerate(present)])

    def slot(self, module: Any) -> Slot | None:
        """Return a slot that does the same within a compiled region, if all lanes have slots of one type."""
        return slot_of(self.batch, [self.ops[lane] for lane in self.batch.present], self.known, module)

    def _lane(self, shared: _Shared, at: int, lane: int, given: Given) -> Any:
        op = self.ops[lane]
        if op is None:
            return shared.compute(at)
        args, kwargs = given.like(at) if type(op) in BY_SHAPES else given.own(at)
        return op(lambda *_, **__: shared.compute(at), shared.module, args, kwargs)


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
        given: Given,
    ) -> None:
        self.module = module
        self._batch = op.batch
        self._ops = op.ops
        self._original = original
        self._whole = args, kwargs
        self._times = times
        self._given = given
        self._present = op.batch.present
        self._computing: list[int] | None = None
        self._parts: dict[int, Any] = {}
        self._output: Any = None

    def compute(self, at: int) -> Any:
        """Return what the module gives one of the lanes: computed with all that were to compute it, else by itself."""
        if at not in self._parts:
            if self._computing is None:
                self._computing = [i for i, lane in enumerate(self._present) if computes(self._ops[lane])]
            together = self._computing if at in self._computing else [at]
            output = self._run(together)
            self._parts.update(zip(together, self._split(output, together), strict=True))
            if len(together) == len(self._present):
                self._output = output
        return self._parts[at]

    def keep(self, ops: Sequence[Any]) -> Any:
        """Return what the module gives where all lanes store their part of it, as it is."""
        args, kwargs = self._whole
        output = self._original(self.module, *args, **kwargs)
        for at, (op, part) in enumerate(zip(ops, self._split(output, range(len(ops))), strict=True)):
            op.stored(part, *self._given.like(at))
        return output

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
                parts = self._batch.split_stored(whole, times, list(self._storing(lanes)))
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

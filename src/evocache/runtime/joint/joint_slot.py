"""What a module finds in a compiled region for several generations at once: one slot, made of those of all lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

import torch

from ...memory.batch_parts import part_of
from ..attach.call_scope import Op
from ..attach.slot import Bare, Fed, Given, Pass, Slot, Through
from ..ops.recompute import Apart
from ..ops.stored_output import packed, repacked
from .batch import Batch
from .module_rows import ModuleRows, Signature


def slot_of(batch: Batch, ops: Sequence[Op | None], known: Mapping[Signature, ModuleRows], module: Any) -> Slot | None:
    """Return the slot of a module; None if it has none, or lanes have slots of different types.

    Args:
        batch: the lanes, of which some are present.
        ops: what each of these does at the module's call.
        known: which tensors of its calls have rows.
        module: the module.
    """
    slots = [Through() if op is None else _slot(op, module) for op in ops]
    found = [slot for slot in slots if slot is not None]
    kinds, outputs = {type(slot) for slot in found}, {rows.outputs for rows in known.values()}
    if len(found) < len(slots) or len(kinds) > 1 or len(outputs) > 1:
        return None
    (kind,) = kinds
    if kind is Through:
        return found[0]
    make = _KINDS.get(kind)
    return None if make is None or not outputs else make(batch, found, next(iter(outputs)))


def _slot(op: Op, module: Any) -> Slot | None:
    make = getattr(op, "slot", None)
    found: Slot | None = None if make is None else make(module)
    return found


def _given(batch: Batch, slots: Sequence[Given], times: Sequence[int]) -> Slot:
    def after(output: Any) -> None:
        """Hand each lane its part, in the memory of the batch."""
        wholes, packing = packed(output)
        if len(wholes) != len(times):
            raise Apart
        each: list[list[torch.Tensor]] = [list(wholes) for _ in slots]
        for i, (whole, n) in enumerate(zip(wholes, times, strict=True)):
            for own, part in zip(each, batch.split(whole, n) if n else (), strict=False):
                own[i] = part_of(part)
        for slot, own in zip(slots, each, strict=True):
            slot.after(repacked(own, packing))

    return Given(after)


def _fed(batch: Batch, slots: Sequence[Fed], times: Sequence[int]) -> Slot | None:
    calls = [slot.outputs for slot in slots]
    if len(set(map(len, calls))) > 1:
        return None
    return Fed([_joined(batch, each, times) for each in zip(*calls, strict=True)], partial(_each, slots))


def _bare(batch: Batch, slots: Sequence[Bare], times: Sequence[int]) -> Slot | None:
    if len({len(slot.outputs) for slot in slots}) > 1:
        return None
    outputs = []
    for one in slots[0].outputs:
        wholes, packing = packed(one)
        outputs.append(repacked([_stand_in(batch, *each) for each in zip(wholes, times, strict=True)], packing))
    return Bare(outputs, partial(_each, slots))


def _pass(batch: Batch, slots: Sequence[Pass], times: Sequence[int]) -> Slot | None:
    first = slots[0]
    forms = {(slot.bare, slot.streams, tuple((leaf, residual) for leaf, _, residual in slot.added)) for slot in slots}
    if len(forms) > 1:
        return None
    numbers = count()
    rows = {at: times[next(numbers)] for at, leaf in enumerate(first.leaves) if isinstance(leaf, torch.Tensor)}
    leaves = tuple(_stand_in(batch, leaf, rows[at]) if at in rows else leaf for at, leaf in enumerate(first.leaves))
    added = tuple(
        (leaf, batch.join([slot.added[i][1] for slot in slots], rows[leaf]) if rows[leaf] else tensor, residual)
        for i, (leaf, tensor, residual) in enumerate(first.added)
    )
    return Pass(leaves, first.bare, first.streams, added, partial(_each, slots))


_KINDS: Mapping[type, Callable[[Batch, Sequence[Any], Sequence[int]], Slot | None]] = {
    Given: _given,
    Fed: _fed,
    Bare: _bare,
    Pass: _pass,
}


def _joined(batch: Batch, values: Sequence[Any], times: Sequence[int]) -> Any:
    each = [packed(value) for value in values]
    joined, packing = list(each[0][0]), each[0][1]
    if any(len(own) != len(times) for own, _ in each):
        raise Apart
    for i, n in enumerate(times):
        if n:
            joined[i] = batch.join([own[i] for own, _ in each], n)
    return repacked(joined, packing)


def _stand_in(batch: Batch, tensor: torch.Tensor, times: int) -> torch.Tensor:
    """A stand-in as long as the batch, which takes no memory either."""
    if not times:
        return tensor
    rows = sum(batch.rows[lane] for lane in batch.present) + batch.padding
    return tensor[:1].expand(rows * times, *tensor.shape[1:])


def _each(slots: Iterable[Fed | Pass]) -> None:
    for slot in slots:
        slot.after()

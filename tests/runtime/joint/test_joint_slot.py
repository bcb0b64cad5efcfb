"""One slot for all lanes: what is handed into a region and out of it, row by row, with rows that are nobody's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from evocache.memory.batch_parts import is_part
from evocache.model.outputs import make_blank
from evocache.runtime.attach.slot import Bare, Fed, Given, Pass, Slot, Through
from evocache.runtime.joint.batch import Batch
from evocache.runtime.joint.joint_slot import slot_of
from evocache.runtime.joint.module_rows import ModuleRows
from evocache.runtime.joint.padding import padded

KNOWN = {((4,),): ModuleRows((1,), (1,))}
"""A module whose output has a row for each sample."""


def op_of(slot: Slot | None) -> Any:
    return SimpleNamespace(slot=lambda module: slot)


def joint(*slots: Slot | None, rows: tuple[int, ...] = (1, 2)) -> Slot | None:
    return slot_of(Batch(rows, padded), [op_of(slot) for slot in slots], KNOWN, None)


def computes(*args: Any, **kwargs: Any) -> torch.Tensor:
    return torch.full((4, 4), 7.0)


def test_sizes_are_few() -> None:
    assert [padded(rows) for rows in (1, 2, 3, 4, 5, 8, 9, 16, 17)] == [1, 2, 4, 4, 8, 8, 16, 16, 24]


def test_what_is_handed_out_is_each_lanes_own() -> None:
    found: list[list[torch.Tensor]] = [[], []]
    slot = joint(*(Given(each.append) for each in found))
    assert isinstance(slot, Given)
    slot.run(lambda *_, **__: torch.arange(4.0)[:, None].expand(4, 4), None, (), {})
    slot.settle()
    assert [each[0][:, 0].tolist() for each in found] == [[0.0], [1.0, 2.0]]
    assert all(is_part(each[0]) for each in found)


def test_what_is_handed_in_is_all_lanes_and_a_copy_for_nobody() -> None:
    served: list[str] = []
    slot = joint(*(Fed([torch.full((rows, 4), float(rows))], lambda: served.append("")) for rows in (1, 2)))
    assert isinstance(slot, Fed)
    assert slot.run(computes, None, (), {})[:, 0].tolist() == [1.0, 2.0, 2.0, 1.0]
    slot.settle()
    assert len(served) == 2
    assert slot.run(computes, None, (), {})[0, 0] == 7.0  # a further call computes


def test_stand_ins_are_as_long_as_the_batch() -> None:
    slot = joint(*(Bare([make_blank(torch.ones(rows, 4))], lambda: None) for rows in (1, 2)))
    assert isinstance(slot, Bare)
    assert slot.outputs[0].untyped_storage().nbytes() == 4
    assert slot.run(computes, None, (), {}).shape == (4, 4)


def test_blocks_are_passed_by() -> None:
    def passes(rows: int) -> Pass:
        leaves = (make_blank(torch.ones(rows, 4)),)
        return Pass(leaves, True, ((0, "x", 0),), ((0, torch.full((rows, 4), float(rows)), True),), lambda: None)

    slot = joint(passes(1), passes(2))
    assert slot is not None
    assert slot.run(computes, None, (torch.ones(4, 4),), {})[:, 0].tolist() == [2.0, 3.0, 3.0, 2.0]


@pytest.mark.parametrize(
    "slots",
    [
        (Given(print), None),
        (Given(print), Fed([torch.ones(2, 4)], lambda: None)),
        (Fed([], lambda: None), Fed([torch.ones(2, 4)], lambda: None)),
        (Bare([], lambda: None), Bare([torch.ones(2, 4)], lambda: None)),
        (Pass((), True, (), (), lambda: None), Pass((), False, (), (), lambda: None)),
    ],
    ids=["none", "types", "calls", "stand-ins", "forms"],
)
def test_lanes_that_do_different_things_have_no_slot(slots: Any) -> None:
    assert joint(*slots) is None


def test_modules_that_compute_for_all_are_gone_through() -> None:
    assert isinstance(slot_of(Batch((1, 2)), [None, None], KNOWN, None), Through)
    several = {**KNOWN, ((8,),): ModuleRows((1,), (0,))}
    assert slot_of(Batch((1, 2)), [op_of(Given(print))] * 2, several, None) is None

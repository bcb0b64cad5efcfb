"""Which arguments have rows: read from several calls, and joined."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evocache.runtime.joint.arguments import Rows, Same, Spread, join, kind_of, readings, split_rows
from evocache.runtime.joint.flat import flat
from evocache.runtime.joint.lane import Lane

MODULE = object()


def lane(rows: int, **kwargs: Any) -> Lane:
    return Lane(MODULE, lambda *_: None, (torch.rand(rows, 4, 8, 8),), kwargs)


def read(*lanes: Lane) -> list[dict[str, Any]]:
    given = [flat(each) for each in lanes]
    names = [place.partition("'")[2].rpartition("'")[0] or place for place in given[0].places]
    names[0] = "latents"
    return [dict(zip(names, reading, strict=True)) for reading in readings(lanes, given)]


def test_rows_tables_and_numbers() -> None:
    table = torch.rand(3, 2)
    lanes = [
        lane(rows, timestep=torch.tensor(5.0 + rows), embeds=torch.rand(rows, 3, 2), img_ids=table.clone(), scale=1.0)
        for rows in (1, 2)
    ]
    first = read(*lanes)[0]
    assert first == {"latents": Rows(1), "timestep": Spread(), "embeds": Rows(1), "img_ids": Same(), "scale": Same()}
    given = [flat(each) for each in lanes]
    joint = join(lanes, given, next(readings(lanes, given)))
    assert joint is not None
    (latents,), kwargs = joint
    assert latents.equal(torch.cat([each.args[0] for each in lanes]))
    assert kwargs["timestep"].tolist() == [6.0, 7.0, 7.0]
    assert kwargs["img_ids"].equal(table)


def test_a_table_as_long_as_the_batch_may_be_either() -> None:
    """Both readings are tried; a name of positions is one table first."""
    table = torch.rand(2, 3)
    lanes = [lane(2, image_rotary_emb=table, other=table) for _ in range(2)]
    found = read(*lanes)
    assert found[0]["image_rotary_emb"] == Same()
    assert found[0]["other"] == Rows(1)
    assert {one["other"] for one in found} == {Rows(1), Same()}


def test_frames_are_rows() -> None:
    lanes = [lane(rows, embeds=torch.rand(rows * 5, 3)) for rows in (1, 2)]
    assert read(*lanes)[0]["embeds"] == Rows(5)


def test_what_differs_and_has_no_rows_fits_no_batch() -> None:
    assert not read(*(lane(1, table=torch.rand(7, 2)) for _ in range(2))) or all(
        one["table"] == Rows(7) for one in read(*(lane(1, table=torch.rand(7, 2)) for _ in range(2)))
    )
    assert not read(lane(2, table=torch.rand(7, 2)), lane(2, table=torch.rand(7, 2)))


def test_lists_of_samples_are_rows() -> None:
    lanes = [Lane(MODULE, lambda *_: None, ([torch.rand(4, 1, 8, 8)] * rows,), {}) for rows in (1, 2)]
    given = [flat(each) for each in lanes]
    assert [each.rows for each in lanes] == [1, 2]
    joint = join(lanes, given, next(readings(lanes, given)))
    assert joint is not None
    assert len(joint[0][0]) == 3
    parts = split_rows(([torch.ones(2), torch.zeros(2), torch.zeros(2)],), [1, 2])
    assert [len(part[0]) for part in parts] == [1, 2]


@pytest.mark.parametrize(
    "other",
    [
        {"embeds": torch.rand(1, 4, 2)},
        {"embeds": torch.rand(1, 3, 2).half()},
        {"embeds": torch.rand(1, 3, 2), "scale": 2.0},
        {"embeds": torch.rand(1, 3, 2), "more": None},
    ],
)
def test_kinds_differ_in_all_but_rows(other: dict[str, Any]) -> None:
    one, same = lane(1, embeds=torch.rand(1, 3, 2)), lane(2, embeds=torch.rand(2, 3, 2))
    assert kind_of(one, flat(one)) == kind_of(same, flat(same))
    different = lane(1, **other)
    assert kind_of(one, flat(one)) != kind_of(different, flat(different))


def test_outputs_are_split_into_memory_of_their_own() -> None:
    whole = torch.rand(3, 2)
    one, other = split_rows((whole, None), [1, 2])
    assert one[0].equal(whole[:1])
    assert other[0].equal(whole[1:])
    assert other[1] is None
    whole.zero_()
    assert one[0].any()
    with pytest.raises(ValueError, match="rows"):
        split_rows((torch.rand(4),), [1, 2])


def test_a_call_without_latents_meets_nobody() -> None:
    assert Lane(MODULE, lambda *_: None, (1,), {}).alone

"""What calls cost, what jobs hold, and calls in pieces."""

from __future__ import annotations

import pytest
import torch

from evocache.errors import BudgetError
from evocache.runtime.joint.arguments import Rows, Same
from evocache.runtime.joint.flat import flat
from evocache.runtime.joint.lane import Lane
from evocache.serve.engine.turns.pieces import cut, join_outputs, splits
from evocache.serve.engine.turns.prices import FIXED, Prices
from evocache.serve.engine.turns.reservations import Reservation, Room


def test_prices_follow_what_is_measured() -> None:
    prices = Prices()
    assert prices.predict("kind", 1, 1) is None
    assert prices.step is None
    for _ in range(60):
        prices.note("kind", "denoise", rows=4, work=0.5, seconds=4 * (0.5 + FIXED))
    assert prices.predict("kind", 2, 1) == pytest.approx(2 * (1 + FIXED))
    assert prices.predict("kind", 1, 3.0, calls=10) == pytest.approx(3 + 10 * FIXED)
    assert prices.step == pytest.approx(4 * (0.5 + FIXED))
    prices.note("longer", "denoise", rows=1, work=1, seconds=9)
    prices.note("other", "decode", rows=1, work=1, seconds=1e-3)
    assert prices.step == pytest.approx(4 * (0.5 + FIXED))
    for _ in range(60):
        prices.note("kind", "denoise", rows=1, work=1, seconds=2 * (1 + FIXED))
    assert prices.predict("kind", 1, 1) == pytest.approx(2 * (1 + FIXED), rel=0.01)


def test_room_is_for_all_features_and_one_batch() -> None:
    room = Room(100, 40)
    job = Reservation(features=10, activations=20)
    assert room.fits(job, [])
    assert room.fits(job, [job, job])
    assert not room.fits(job, [job] * 4)
    assert room.together([job, job], [job, job])
    assert not room.together([job, job, job], [job])
    assert Room(None, 40).fits(Reservation(10**12, 0), [])
    with pytest.raises(BudgetError):
        Room(30, 40)


def test_a_call_is_cut_by_its_rows() -> None:
    def call(module: object, z: torch.Tensor, scale: float, mask: list[int]) -> tuple[torch.Tensor, int]:
        assert len(z) == len(mask)
        return z * scale, 7

    lane = Lane(object(), call, (torch.arange(10.0).reshape(5, 2),), {"scale": 2.0, "mask": [1, 2, 3, 4, 5]})
    pieces = cut(lane, 2)
    assert [piece.rows for piece in pieces] == [2, 2, 1]
    output = join_outputs([piece.compute() for piece in pieces])
    assert output[0].equal(lane.compute()[0])
    assert output[1] == 7
    assert cut(lane, 5) == [lane]


def test_calls_whose_rows_belong_together_are_not_cut() -> None:
    table, frames = torch.zeros(4, 3), torch.zeros(8, 2)
    for given, reading, expected in (
        ({"scale": 2.0}, [Rows(1), Same()], True),
        ({"num_frames": 2}, [Rows(1), Same()], False),  # as of a video's autoencoder: two videos of two frames
        ({"num_frames": 3}, [Rows(1), Same()], True),
        ({"freqs": table}, [Rows(1), Same()], False),
        ({"freqs": table}, [Rows(1), Rows(1)], True),
        ({"text": frames}, [Rows(1), Rows(2)], False),
        ({"ids": [1, 2, 3, 4]}, [Rows(1), Rows(1)], False),
    ):
        lane = Lane(object(), dict, (torch.zeros(4, 2),), given)
        assert splits(flat(lane), tuple(reading), lane.rows) is expected, given

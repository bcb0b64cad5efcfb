"""Schedules as short texts, and back."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.errors import RunError
from evocache.policies import parse
from evocache.schedule import forecast, uniform
from evocache.search.genome.search_space import Space
from evocache.search.genome.variation import mutate
from evocache.search.storage.packed_cells import pack, unpack
from tests.search.trees import stack

TREE, STEPS = stack(), 12


def test_any_schedule_comes_back_as_it_was() -> None:
    rng, space = np.random.default_rng(0), Space(TREE, STEPS)
    schedule = uniform(TREE, STEPS, [TREE.of_kind("span")[0].id], (0, 2, 5, 9), forecast(1, 0.4))
    for _ in range(50):
        schedule = mutate(schedule, space, rng)
        back = unpack(pack(schedule), TREE, STEPS)
        assert back == schedule
        assert (back.gains == schedule.gains).all()  # to the bit


def test_texts_are_short() -> None:
    assert len(pack(parse("fora:3").schedule(TREE, STEPS))) < 100


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", pack(parse("fora:3").schedule(stack(2), STEPS)), "é"])
def test_damaged_and_foreign_texts_are_refused(text: str) -> None:
    with pytest.raises(RunError, match="cells"):
        unpack(text, TREE, STEPS)


def test_a_text_that_grows_without_end_is_refused() -> None:
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(10_000_000))).decode()
    with pytest.raises(RunError, match="cells"):
        unpack(bomb, TREE, STEPS)

"""Numbers of a user's: what Python would compare without a word is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evocache.errors import FrontError, RunError, ScheduleError
from evocache.schedule.numbers import check_real, check_whole

NONE = (float("nan"), True, None, "3", [3], 2j, np.bool_(True))


@pytest.mark.parametrize("value", [*NONE, 2.5, 3.0, 0, 11, 10**5000, -(10**5000)], ids=range(13))
def test_what_is_no_whole_number_in_its_range_is_refused(value: Any) -> None:
    with pytest.raises(RunError, match=r"batch=.*; why: expected a whole number from 1 to 10; try: .*batch"):
        check_whole(value, "batch", 1, 10, RunError)


@pytest.mark.parametrize("value", [*NONE, float("inf"), -float("inf"), 10**5000, 0, -1.0], ids=range(12))
def test_what_is_no_number_above_its_bound_is_refused(value: Any) -> None:
    with pytest.raises(FrontError, match=r"speedup=.*; why: expected a finite number above 0; try: .*speedup"):
        check_real(value, "speedup", FrontError, above=0)


def test_numbers_of_all_kinds_are_taken() -> None:
    assert [check_whole(value, "n", 0, 10, ScheduleError) for value in (0, 10, np.int8(3))] == [0, 10, 3]
    assert [check_real(value, "x", ScheduleError, least=0) for value in (0, 1.5, np.float32(0.5), np.int64(2))] == [
        *(0, 1.5, 0.5, 2)
    ]
    with pytest.raises(ScheduleError, match="from 0"):
        check_real(-1e-9, "x", ScheduleError, least=0)

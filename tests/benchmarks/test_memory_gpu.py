"""The benchmark of video pipelines on a GPU, tried with a tiny one: a failing row is a result, and time is kept."""

import argparse
import math
from dataclasses import replace

import pytest

from benchmarks.memory.gpu_rows import Measured
from benchmarks.memory.rows import CASES, Row
from benchmarks.memory.table import table

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = (Row(), Row("no-such-policy:2"), Row("deepcache:2"))


def measured(seconds):
    """Rows of the tiny AnimateDiff, as they were last saved, with so many seconds left."""
    saved = []
    options = argparse.Namespace(size="tiny", device="cpu", rounds=1)
    case = CASES["animatediff"]
    case = replace(case, rows=ROWS, small={**case.small, "num_frames": 2}, call={"num_inference_steps": 2})
    Measured(case, options, lambda: seconds, lambda name, seconds: {}, saved.append).run()
    return {"case": "animatediff", **saved[-1]}


def test_what_a_row_raises_is_its_result_and_the_rows_after_it_have_their_turn():
    found = measured(math.inf)
    untouched, failed, ours = found["rows"]
    assert "PolicyError" in failed["error"]
    assert "seconds" not in failed
    assert found["rounds"] == 1
    assert untouched["finite"]
    assert untouched["difference when repeated"] == 0.0
    assert set(ours["held"]) == {"encode", "denoise", "decode"}
    assert ours["speed-up"]["median"] == pytest.approx(untouched["samples"][0] / ours["samples"][0], abs=1e-2)
    assert "| no-such-policy:2 |" in table(found)


def test_nothing_is_begun_that_would_not_fit_into_the_time():
    found = measured(0.0)
    assert [row["error"] for row in found["rows"]] == ["no time"] * 3
    assert found["rounds"] == 0

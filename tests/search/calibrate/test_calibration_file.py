"""The file of a calibration: what is none is refused by one kind of error, whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evocache.errors import PolicyError, RunError
from evocache.policies import parse
from evocache.search.calibrate.calibration_file import CALIBRATION, Calibration, read_calibration, write_calibration
from evocache.search.cost.hardware_rates import Rates
from evocache.search.cost.latency_model import Accuracy
from evocache.search.cost.schedule_cost import Costs
from tests.schedule.damage import damaged
from tests.search.trees import stack

TREE = stack(2)
MATRIX = np.triu(np.ones((3, 3)), 1)
WHOLE = Calibration(
    3,
    Costs({"t": 0.5}, {"t": 1e9}, {"t": 4096}, 2, 0.25, {"t": [2.0, 2.0, 1.0]}, {"step": 0.1}),
    {c.id: MATRIX for c in TREE},
    {"t/attention": MATRIX},
    Accuracy(3, 2, 0.1, 0.2, 0.3),
    Rates(1e9, 1e-5, 1e-12, {"bf16": (1e-9, 2e-9)}),
)


@pytest.fixture
def document(tmp_path: Path) -> dict:
    write_calibration(tmp_path, WHOLE)
    assert read_calibration(tmp_path) is not None
    return json.loads((tmp_path / CALIBRATION).read_text())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_calibration_is_refused_or_read(tmp_path: Path, document: dict, data: st.DataObject) -> None:
    (tmp_path / CALIBRATION).write_text(json.dumps(data.draw(damaged(document))))
    try:
        found = read_calibration(tmp_path)
    except RunError as error:
        assert CALIBRATION in error.given  # noqa: PT017 (the other outcome is no error)
    else:
        assert found is not None
        assert np.isfinite(found.costs.latency(parse("none").schedule(TREE, 3)))
    try:
        parse(f"smoothcache:0.1,{tmp_path}").schedule(TREE, 3)
    except PolicyError:
        return


def test_a_number_that_is_no_number_is_named(tmp_path: Path, document: dict) -> None:
    document["costs"]["sizes"]["t"] = -4
    (tmp_path / CALIBRATION).write_text(json.dumps(document))
    with pytest.raises(RunError, match=r"-4 for the size of 't', where a whole number in 0"):
        read_calibration(tmp_path)

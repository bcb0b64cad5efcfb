"""Which pipelines of the installed diffusers are covered: one that is new must get a row, or a reason."""

from __future__ import annotations

import diffusers
import pytest

from tests.matrix.installed import pipelines
from tests.pipelines import ROWS
from tests.pipelines.left_out import LEFT_OUT
from tests.pipelines.modular import exported

COVERED = {row.pipeline for row in ROWS}
LEAST = 320
"""Fewer classes than this would mean that rows were lost."""


@pytest.mark.filterwarnings("ignore")  # of other packages, while all pipelines are imported
def test_every_pipeline_class_has_a_row_or_a_reason():
    assert sorted({c.__name__ for c in pipelines()} - COVERED - LEFT_OUT.keys()) == []


def test_every_modular_pipeline_and_its_blocks_have_a_row():
    built = {getattr(diffusers, name).default_blocks_name for name in COVERED if name.endswith("ModularPipeline")}
    assert sorted(exported() - COVERED - built) == []
    assert len(built) >= 40


def test_rows_are_many_and_told_apart_by_name():
    assert len(COVERED) >= LEAST
    names = [row.name for row in ROWS]
    assert sorted(names) == sorted(set(names))


def test_what_is_left_out_is_not_covered():
    assert COVERED & LEFT_OUT.keys() == set()

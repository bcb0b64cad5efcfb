"""A front's file from a stranger: one allowance of cells for all of it, and one kind of error for whatever is wrong."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evocache.errors import RunError
from evocache.policies import parse
from evocache.schedule.front import front_file
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.schedule.size_limits import MAX_CELLS
from tests.schedule.damage import damaged
from tests.search.trees import stack

TREE = stack(2)


def document(**more: Any) -> dict[str, Any]:
    """What a run writes, of two points."""
    schedules = [parse(spec).schedule(TREE, 6).with_provenance(notes={"n": "x"}) for spec in ("fora:2", "steps:0,3")]
    measured = {"speedup": 2.0, "quality": 30.0, "memory": 1e6}
    points = [Point(s, {"error": -30.0}, measured, steps=6, storage="int8", budget=10**9) for s in schedules]
    named = [front_file.as_json(f"front {i}", point) for i, point in enumerate(points)]
    found = {"format": front_file.FORMAT, "version": 3, "points": named, "basis": {"steps": 6}, "baselines": {}}
    return json.loads(json.dumps({**found, **more}))


def written(folder: Path, found: Any) -> Path:
    """The folder, with a document as its front."""
    (folder / front_file.FILE).write_text(json.dumps(found))
    return folder


def large(steps: int, components: int = 1000) -> dict[str, Any]:
    """A schedule of few letters and many cells."""
    rows = [{"id": "d", "kind": "denoiser"}]
    rows += [{"id": f"d/{i}", "kind": "block", "parent": "d"} for i in range(components - 1)]
    head = {"format": "evocache.schedule", "version": 1, "steps": steps, "model": {}, "components": rows}
    return {**head, "actions": {}, "provenance": {}}


@pytest.mark.parametrize("where", ["points", "baselines"])
def test_all_schedules_of_a_file_share_one_allowance_of_cells(tmp_path: Path, where: str) -> None:
    entry = {"name": "x", "group": "seed", "objectives": {}, "measured": {}, "schedule": large(6000)}
    several = {str(i): entry for i in range(9)} if where == "baselines" else [entry] * 9
    written(tmp_path, document(**{where: several}))
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match=rf"540\d+ cells in \d+ schedules, where at most {MAX_CELLS} is due"):
            Front.load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_schedules_of_one_model_share_its_tree(tmp_path: Path) -> None:
    front = Front.load(written(tmp_path, document()))
    assert front[0].schedule.tree is front[1].schedule.tree
    assert front[0].schedule.tree.components == TREE.components


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_front_is_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    try:
        front = Front.load(written(tmp_path, data.draw(damaged(document()))))
    except RunError:
        return
    assert all(point.schedule.steps <= front.uncached_steps for point in front)

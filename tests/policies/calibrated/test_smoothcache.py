"""SmoothCache on made-up errors, cell by cell; files of calibrations that are none."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from evocache.errors import CodecError, PolicyError
from evocache.policies import SmoothCache, parse
from evocache.policies.base.calibration_matrices import pack_matrix, unpack_matrix
from evocache.policies.calibrated.smoothcache import choose_steps, group_columns
from tests.search.trees import stack

STEPS = 8


def moving(change: list[float]) -> np.ndarray:
    """Errors of a feature that moves by so much at each step: the distance that lies between two steps."""
    position = np.cumsum([0.0, *change])
    return np.abs(position[None, :] - position[:, None])


ERRORS = {"t/attention": moving([0.5] * 3 + [0.01] * 4), "t/feed_forward": moving([0.05] * 7)}


@pytest.mark.parametrize(
    ("threshold", "computed"),
    [
        (0.0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (0.01, [0, 1, 2, 3, 5, 7]),  # one step from 3 is 0.01
        (0.035, [0, 1, 2, 3, 7]),  # three steps from 3
        (0.5, [0, 2, 6, 7]),  # 1 is 0.5 from 0; 3 is 0.5 from 2, and so nearly are 4 and 5
        (9.0, [0, 4, 7]),  # never more than three in a row, and the last is computed
    ],
)
def test_jumps_are_as_far_as_the_threshold_lets(threshold, computed):
    errors = ERRORS["t/attention"].copy()
    errors[2, 4:6] = 0.5
    assert choose_steps(errors, threshold + 1e-9) == computed


def test_layers_of_a_kind_decide_together_and_others_compute():
    tree = stack(2)
    schedule = SmoothCache(0.11, errors=ERRORS).schedule(tree, STEPS)
    for i, component in enumerate(tree):
        skipped = np.flatnonzero(schedule.read[:, i]).tolist()
        expected = {"attention": [4, 5, 6], "feed_forward": [1, 2, 4, 5]}
        assert skipped == expected.get(component.kind, [])


def test_groups_are_kinds_of_a_denoiser():
    tree = stack(3)
    assert list(group_columns(tree)) == ["t/attention", "t/cross_attention", "t/feed_forward"]
    assert [tree.components[i].id for i in group_columns(tree)["t/feed_forward"]] == ["t/b.0.f", "t/b.1.f", "t/b.2.f"]


def test_higher_thresholds_compute_less():
    counts = [SmoothCache(t, errors=ERRORS).schedule(stack(), STEPS).executed.sum() for t in (0, 0.02, 0.06, 0.3, 9)]
    assert counts == sorted(set(counts), reverse=True)


def test_another_number_of_steps_is_resampled():
    policy = SmoothCache(9, errors=ERRORS)
    assert policy.schedule(stack(), 16) == policy.schedule(stack(), STEPS).resampled(16)


def test_errors_are_read_from_a_folder_or_its_file(tmp_path):
    document = {"errors": {name: pack_matrix(matrix) for name, matrix in ERRORS.items()}}
    (tmp_path / "calibration.json").write_text(json.dumps(document))
    expected = SmoothCache(0.11, errors=ERRORS).schedule(stack(), STEPS)
    for source in (tmp_path, tmp_path / "calibration.json"):
        policy = parse(f"smoothcache:0.11,{source}")
        assert policy.schedule(stack(), STEPS) == expected
        assert parse(policy.spec) == policy


def test_packing_keeps_what_is_read():
    matrix = np.abs(np.random.default_rng(0).normal(size=(6, 6)))
    back = unpack_matrix(pack_matrix(matrix), "drift")
    assert np.allclose(back, np.triu(matrix, 1), rtol=5e-4)
    assert pack_matrix(np.full((2, 2), 1 / 3)) == [[0.3333], []]


ROWS = [[], [[1.0], [1.0]], [["x"], []], [[-1.0], []], [[float("nan")], []], [[True], []], [[[1.0]], []], 3, {"a": 1}]


@pytest.mark.parametrize("rows", ROWS, ids=range(len(ROWS)))
def test_what_is_no_drift_is_refused(rows):
    with pytest.raises(CodecError, match="drift"):
        unpack_matrix(rows, "drift")


HOSTILE = {
    "deep": "[" * 200_000,
    "deep inside": '{"errors": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "many empty rows": '{"errors": {"t/attention": [' + ",".join(["[]"] * 400_000) + "]}}",
    "more rows than can be": '{"errors": {"t/attention": [' + ",".join(["[]"] * 600_000) + "]}}",
    "no number": '{"errors": {"t/attention": [[1e999], []]}}',
    "a huge number": '{"errors": {"t/attention": [[' + "9" * 5000 + "], []]}}",
    "half": '{"errors": {"t/attention": [[1',
    "no object": "[[1, 2]]",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("spec", ["smoothcache:0.1", "dpcache:3", "magcache:0.1,3,0.2"])
def test_a_hostile_calibration_is_refused_before_room_is_made_for_it(tmp_path, what, spec):
    file = tmp_path / "calibration.json"
    file.write_text(HOSTILE[what])
    tracemalloc.start()
    try:
        with pytest.raises(PolicyError) as caught:
            parse(f"{spec},{file}").schedule(stack(), STEPS)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert str(file) in caught.value.given


def test_without_a_calibration_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(PolicyError, match=r"smoothcache:0.1 without a calibration.*evocache evolve.*FOLDER"):
        parse("smoothcache:0.1").schedule(stack(), STEPS)
    with pytest.raises(PolicyError, match="calibration"):
        parse(f"smoothcache:0.1,{tmp_path}").schedule(stack(), STEPS)
    (tmp_path / "calibration.json").write_text('{"errors": {"t/attention": [[1], [2]]}}')
    with pytest.raises(PolicyError, match="calibration"):
        parse(f"smoothcache:0.1,{tmp_path}").schedule(stack(), STEPS)


def test_a_calibration_of_another_model_is_refused():
    with pytest.raises(PolicyError, match="x/attention"):
        SmoothCache(0.1, errors={"x/attention": ERRORS["t/attention"]}).schedule(stack(), STEPS)


@pytest.mark.parametrize("spec", ["smoothcache", "smoothcache:-1", "smoothcache:nan", "smoothcache:high"])
def test_bad_thresholds(spec):
    with pytest.raises(PolicyError, match="smoothcache"):
        parse(spec)

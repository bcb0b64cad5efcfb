"""The same methods with the same parameters: the same layers run, the same bits come out, no more bytes are cached."""

import sys

import pytest

from benchmarks.equal import __main__ as equal
from evocache import zoo

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def samples():
    if not (zoo.find().folder / "model_index.json").is_file():
        pytest.skip("the weights of zoo:emoji are not there")
    return [equal.model("zoo:emoji", 1) for _ in range(2)]


@pytest.mark.table("method", family=lambda method: "any")
@pytest.mark.parametrize("method", ["PAB", "cache 0.3", "MagCache 0.5", "TaylorSeer 3, order 1", "lite"])
def test_methods_do_the_same_with_no_more_bytes(samples, method):
    (row,) = equal.measure(samples, 2, method)
    ours, theirs = row["ours"], row["theirs"]
    assert row["package"] == "diffusers"
    assert ours["executed"] == theirs["executed"] < 1
    assert 0 < ours["cached bytes"] <= theirs["cached bytes"]
    assert row["difference"] < 1e-5 < row["change by caching"]
    assert row["theirs / ours"]["median"] > 0
    assert row["method"] in equal.table([{"model": "zoo:emoji", "batch": 1, "rows": [row]}])


def test_what_a_side_raises_is_its_result(samples, monkeypatch):
    def failing(sample, contender, **_):
        return (
            {"error": "ValueError: no such layer"}
            if contender.name.startswith("diffusers")
            else real(sample, contender)
        )

    def real(sample, contender):
        return {**dict.fromkeys(("multiply-adds", "cached bytes", "bytes alive after the call"), 1), "latents": None}

    monkeypatch.setattr(equal, "watched", failing)
    (row,) = equal.measure(samples, 2, "PAB")
    assert row["error"] == "theirs: ValueError: no such layer"
    assert "no such layer" in equal.table([{"model": "zoo:emoji", "batch": 1, "rows": [row]}])


def test_rows_are_put_in_the_place_of_the_same(monkeypatch, tmp_path, capsys):
    taken = iter(("first", "second"))

    def measure(samples, rounds, only):
        told = next(taken)
        return [{"method": "PAB", "package": told, "error": told}]

    monkeypatch.setattr(equal, "measure", measure)
    monkeypatch.setattr(equal, "model", lambda name, batch: None)
    for more in ([], ["--add", "--only", "PAB"]):
        monkeypatch.setattr(sys, "argv", ["equal", "--models", "zoo:emoji", "--name", str(tmp_path / "equal"), *more])
        equal.main()
    assert capsys.readouterr().out.splitlines()[-1].count("second") == 2

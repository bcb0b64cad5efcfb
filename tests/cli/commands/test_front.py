"""`evocache front`: what a run has proven, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from evocache.report.page.page_data import collect_plot_data
from evocache.report.run.run_contents import gather_contents
from evocache.schedule import Schedule
from evocache.schedule.front.front import Front
from evocache.validation.proof_file import write_proof
from tests.report.runs import write_front


def test_a_table_in_the_quality_s_own_unit(run, tmp_path):
    write_front(tmp_path)
    shown = run("front", tmp_path).stdout
    rows = {line.split()[0] + " " + line.split()[1]: line.split() for line in shown.splitlines() if "x  " in line}
    assert "latent in dB" in shown
    assert rows["front 0"][2:] == ["3.00x", "2.90..3.10", "20.0", "18.0..22.0", "22.0", "1.0", "MiB"]
    assert rows["4 steps"][2:5] == ["2.00x", "1.90..2.10", "15.0"]
    assert rows["uncached 1.00x"][2] == "exact"
    order = [shown.index(name) for name in ("front 0", "front 1", "fora:2", "4 steps", "uncached  ")]
    assert order == sorted(order)
    for note in ("held-out: mean over 32 held-out prompts", "5 rounds of 4 prompts", "3 of 5 policies"):
        assert note in " ".join(shown.split())


def test_what_was_held_out_is_said_with_the_figures(run, tmp_path):
    write_front(tmp_path, held="seeds")
    shown = " ".join(run("front", tmp_path).stdout.split())
    assert "held-out" not in shown
    assert "new seeds: mean over 32 prompts that were searched on, with new seeds" in shown
    document = json.loads((tmp_path / "front.json").read_text())
    del document["basis"]["held_out"]  # as files were written before
    (tmp_path / "front.json").write_text(json.dumps(document))
    shown = " ".join(run("front", tmp_path).stdout.split())
    assert "proven on: mean over 32 prompts, of which it was not noted whether they were held out" in shown


def test_names_stay_on_narrow_terminals(run, tmp_path, monkeypatch):
    write_front(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("front", tmp_path).stdout
    for name in ("front 0 ", "fora:2 ", "uncached "):
        assert name in shown
    for name in ("3.00x", "2.90..3.10", "18.0..22.0"):  # columns go, numbers are never cut
        assert name in shown
    monkeypatch.setenv("COLUMNS", "50")
    narrow = run("front", tmp_path).stdout
    for name in ("front 0 ", "fora:2 ", "uncached ", "3.00x", "2.90..3.10"):
        assert name in narrow
    assert "18.0.." not in narrow  # dropped, not cut


def test_steps_are_shown_where_they_differ(run, tmp_path, monkeypatch):
    proof = write_front(tmp_path)
    assert "steps" not in run("front", tmp_path).stdout.splitlines()[0]
    points = (replace(proof.front[0], schedule=proof.front[0].schedule.resampled(4)), proof.front[1])
    write_proof(tmp_path, replace(proof, front=Front(points, 8), basis=replace(proof.basis, steps=8)))
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("front", tmp_path).stdout
    assert shown.split()[:2] == ["steps", "speedup"]
    rows = [line.split() for line in shown.splitlines()]
    assert ["front", "0", "4", "3.00x", "2.90..3.10"] in [row[:5] for row in rows]
    assert ["front", "1", "8", "2.00x"] in [row[:4] for row in rows]
    assert ["fora:2", "8", "1.80x"] in [row[:3] for row in rows]
    assert ["4", "steps", "2.00x"] in [row[:3] for row in rows]
    facts = json.loads(run("front", tmp_path, "--json").stdout)
    assert [(p["steps"], p["executed"]) for p in facts["points"]] == [(4, 0.25), (8, 0.25)]


def test_peaks_and_plans_are_shown_where_memory_was_searched(run, tmp_path, monkeypatch):
    proof = write_front(tmp_path)
    assert "peak" not in run("front", tmp_path).stdout
    first, second = proof.front
    first = replace(first, objectives={**first.objectives, "peak": 3e9}, measured={**first.measured, "peak": 2.0**31})
    kept = {"storage": "int8", "budget": 3 * 2**30}
    predicted = {**second.measured, "predicted peak": 3.0 * 2**30}
    second = replace(second, objectives={**second.objectives, "peak": 3.0 * 2**30}, measured=predicted, **kept)
    write_proof(tmp_path, replace(proof, front=Front((first, second))))
    monkeypatch.setenv("COLUMNS", "150")
    shown = run("front", tmp_path).stdout
    rows = {line[:7]: line.split() for line in shown.splitlines() if "x  " in line}
    assert rows["front 0"][-5:] == ["2.0", "GiB", "as", "it", "is"]
    assert rows["front 1"][-6:] == ["~3.0", "GiB", "int8,", "fits", "3.0", "GiB"]
    assert "one call of 4 prompts holds at most, weights and decoding included" in " ".join(shown.split())
    facts = json.loads(run("front", tmp_path, "--json").stdout)
    assert [(p["storage"], p["budget"]) for p in facts["points"]] == [("none", None), ("int8", 3 * 2**30)]
    assert json.loads((tmp_path / "front.json").read_text())["version"] == 3


def test_everything_as_json(run, tmp_path):
    proof = write_front(tmp_path)
    facts = json.loads(run("front", tmp_path / "front.json", "--json").stdout)
    assert [p["name"] for p in facts["points"]] == ["front 0", "front 1"]
    assert facts["points"][0]["calibration quality"] == 22.0
    assert facts["points"][0]["schedule"] == proof.front[0].schedule.digest
    assert facts["basis"]["unit"] == "dB"
    assert facts["baselines"]["fora:2"] == {"group": "seed", **proof.baselines["fora:2"].measured}
    assert facts["pictures"]["prompts"] == ["a cat", "b"]


def test_what_holds_no_front_is_refused(refused, tmp_path):
    assert "without a front" in refused("front", tmp_path)
    (tmp_path / "front.json").write_text('{"format": "evocache.front", "version": 1}')
    assert "version 1" in refused("front", tmp_path)


def test_points_of_fewer_steps_are_named_as_such(run, tmp_path, monkeypatch):
    """In the table, in JSON and in the report, whether the search found them or the proof took them over."""
    proof = write_front(tmp_path)
    points = (replace(proof.front[0], schedule=Schedule.full(proof.front[0].schedule.tree, 3)), proof.front[1])
    write_proof(tmp_path, replace(proof, front=Front(points, 8), basis=replace(proof.basis, steps=8)))
    monkeypatch.setenv("COLUMNS", "140")
    rows = {tuple(line.split()[:2]): line for line in run("front", tmp_path).stdout.splitlines() if "front" in line}
    assert rows["front", "0"].endswith("fewer steps, uncached")
    assert "fewer steps" not in rows["front", "1"]
    found = json.loads(run("front", tmp_path, "--json").stdout)
    assert [point["group"] for point in found["points"]] == ["steps", "front"]
    contents = gather_contents(tmp_path)
    assert [entry.name for entry in contents.group("front")] == ["front 1"]
    assert [entry.name for entry in contents.group("steps")] == ["front 0", "4 steps"]
    words = {entry["name"]: entry["words"] for entry in collect_plot_data(contents)["entries"]}
    assert words["front 0"] == words["4 steps"] != words["front 1"]

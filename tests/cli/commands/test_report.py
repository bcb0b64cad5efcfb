"""`evocache report`, as a user types it."""

from __future__ import annotations

from tests.report.runs import candidates, write_front, write_journal


def test_a_report_and_its_plots_are_written(run, tmp_path):
    write_journal(tmp_path, candidates())
    write_front(tmp_path)
    result = run("report", tmp_path)
    assert result.exit_code == 0, result.output
    names = ["report.html", "pareto.png", "hypervolume.png", "importance.png", "overfitting.png"]
    assert [line.rsplit("/", 1)[-1] for line in result.stdout.split()] == names
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_only_the_page_elsewhere(run, tmp_path):
    write_front(tmp_path)
    result = run("report", tmp_path, "--out", tmp_path / "new" / "page.html", "--no-png")
    assert result.exit_code == 0, result.output
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["page.html"]


def test_a_run_that_was_broken_off_is_said_to_be(run, tmp_path):
    write_journal(tmp_path, candidates())
    assert "not proven" in run("report", tmp_path, "--no-png").stdout


def test_what_cannot_be_reported_is_explained(refused, tmp_path):
    assert "journal" in refused("report", tmp_path)
    assert "folder of a run" in refused("report", tmp_path / "nothing")
    write_front(tmp_path)
    (tmp_path / "file").touch()
    assert "--out" in refused("report", tmp_path, "--out", tmp_path / "file" / "x.html")

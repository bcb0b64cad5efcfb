"""The report's page and plots, of runs that are made up."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evocache.errors import RunError
from evocache.report.figures.plots import write_plots
from evocache.report.page import html_file
from evocache.report.page.html_file import render_page
from evocache.report.page.page_data import collect_plot_data
from evocache.report.page.page_tables import Row, compare_speedups, list_figures
from evocache.report.run.heat_map_cells import arrange_cells, describe_schedule
from evocache.report.run.history import read_history
from evocache.report.run.importance import compare_cells
from evocache.report.run.run_contents import gather_contents
from evocache.schedule import Schedule, save
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.search.storage.journal import Journal
from evocache.search.storage.journal_records import JobEvaluated, RunStarted, ScheduleWritten
from evocache.search.storage.packed_cells import pack
from evocache.validation.proof_file import Baseline, Proof, read_proof, write_proof

from .runs import HOSTILE, STEPS, TREE, candidates, error, figures, write_front, write_journal


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_journal(tmp_path, candidates())
    write_front(tmp_path)
    return tmp_path


class Reader(HTMLParser):
    """The elements of a page, its text, and the data of its script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._raw = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw == "script":
            self.scripts.append(data)
        elif not self._raw:
            self.texts.append(data)

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


def test_the_history_is_what_the_journal_tells(tmp_path: Path) -> None:
    schedules = candidates()
    write_journal(tmp_path, schedules, torn='{"v": 2, "kind": "eval", "sch')
    history = read_history(tmp_path)
    assert {p.schedule: p.objectives["error"] for p in history.points} == {
        s: pytest.approx(error(s)) for s in schedules
    }
    assert [(g.number, g.steps, g.hypervolume) for g in history.generations] == [(0, 100.0, 0.5), (1, 200.0, 0.6)]


def test_a_page_is_one_file_with_everything_in_it(run: Path) -> None:
    found = Reader(render_page(gather_contents(run)))
    assert not [name for _, a in found.tags for name in ("src", "href") if a.get(name)]
    assert len(found.scripts) == 3
    assert "plotly.js" in found.scripts[1][:200]
    data = found.data
    assert [e["name"] for e in data["entries"]] == ["front 0", "front 1", "fora:2", "4 steps", "uncached"]
    first = data["entries"][0]
    assert (first["speedup"], first["quality"], first["calibration"], first["quality1"]) == (3.0, 20.0, 22.0, 18.0)
    strip = base64.b64decode(first["strip"].partition(",")[2])
    assert strip == (run / "pictures" / "01-front-0.png").read_bytes()
    assert first["cells"]["letters"][0] == "CR" + "C1" * (STEPS // 2 - 1)  # from one value nothing can be forecast
    assert first["cells"]["gains"][0] == [0.5] * (STEPS // 2 - 1)
    assert data["hypervolume"]["volume"] == [0.5, 0.6]
    assert data["entries"][data["first"]]["name"] == "front 1"


def test_a_page_says_its_figures_in_words_and_a_table(run: Path) -> None:
    found = Reader(render_page(gather_contents(run)))
    rows = [a["data-name"] for tag, a in found.tags if tag == "tr" and "data-name" in a]
    assert rows == ["front 0", "front 1", "fora:2", "4 steps", "uncached"]
    text = " ".join(found.texts)
    for word in (
        "32 held-out prompts",
        "20.0 (front 0)",
        "25.0 (front 1)",
        "1.90 – 2.10",
        "3 of 5 policies",
        "exact",
        "22.0",
    ):
        assert word in text
    labelled = [a for tag, a in found.tags if a.get("role") == "img"]
    assert len(labelled) == 7
    assert all(a.get("aria-label") or a.get("id") == "heat" for a in labelled)


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (
            "seeds",
            ("that were searched on, with new seeds", "Calibration and new seeds of the same prompts"),
        ),
        ("", ("32 prompts, of which it was not noted", "Calibration and the prompts proven on")),
    ],
)
def test_nothing_is_called_held_out_that_was_not(tmp_path: Path, held: str, words: tuple[str, str]) -> None:
    write_journal(tmp_path, candidates())
    write_front(tmp_path, held=held)
    made = Reader(render_page(gather_contents(tmp_path)))
    text = " ".join(made.texts)
    assert all(word in text for word in words)
    assert "held-out" not in text + json.dumps(made.data) + made.scripts[2]


def head_table(folder: Path) -> list[list[str]]:
    """Cells of the table at the top, with marks of those that are bold."""
    table = compare_speedups(gather_contents(folder))
    assert table is not None
    (rows,) = table.groups
    return [list(table.headings), *([f"*{c.text}*" if c.best else c.text for c in row.cells] for row in rows)]


def rewritten(folder: Path, points: list[tuple[float, float]], steps: list[tuple[float, float]]) -> None:
    """A front with these speed-ups and qualities, held against these of fewer steps."""
    proof = write_front(folder)
    first, second = (replace(p, measured=figures(*found)) for p, found in zip(proof.front, points, strict=True))
    known = {f"{n} steps": Baseline("steps", figures(*found)) for n, found in enumerate(steps)}
    baselines = {"uncached": proof.baselines["uncached"], **known}
    write_proof(folder, replace(proof, front=Front((first, second)), baselines=baselines))


def test_the_head_table_holds_points_against_the_line_of_fewer_steps(tmp_path: Path) -> None:
    rewritten(tmp_path, [(3.0, 24.0), (2.0, 33.0)], [(4.0, 20.0), (2.0, 32.0), (1.6, 40.0)])
    table = head_table(tmp_path)
    assert table[0] == ["", "evolved (dB)", "fewer steps (dB)"]
    assert table[1] == ["at least 1.5x", "33.0 (front 1)", "*40.0*"]
    assert table[2] == ["at least 2x", "*33.0 (front 1)*", "32.0"]
    # the best number of steps that was measured and is so fast gives 20, those between give 24
    assert table[3] == ["at least 3x", "*24.0 (front 0)*", "*24.0*"]
    assert table[4] == ["at least 4x", "–", "*20.0*"]


def test_both_places_of_the_report_say_the_same_of_fewer_steps(tmp_path: Path) -> None:
    """What a proof writes beside a point is what the head table has at the point's own speed-up."""
    from evocache.validation.contender import Contender
    from evocache.validation.validate import add_equal_time

    steps = [(4.1, 20.0), (2.2, 32.0), (1.45, 41.0)]
    for speedup in (1.5, 2.0, 3.0, 4.0):
        rewritten(tmp_path, [(speedup, 21.0), (1.2, 50.0)], steps)
        known = {f"{n}": figures(*found) for n, found in enumerate(steps)}
        known["point"] = figures(speedup, 21.0)
        rivals = [Contender(name, "front" if name == "point" else "steps", 0.5) for name in known]
        add_equal_time(rivals, known)
        (row,) = [row for row in head_table(tmp_path) if row[0] == f"at least {speedup:g}x"]
        assert row[2].strip("*") == f"{known['point']['fewer steps quality']:.1f}"


def test_what_is_beaten_or_not_believed_is_marked_and_not_shown_as_the_best(tmp_path: Path) -> None:
    rewritten(tmp_path, [(3.0, 24.0), (2.0, 33.0)], [(4.0, 20.0), (2.0, 32.0)])
    proof = read_proof(tmp_path)
    wild = replace(proof.front[0], measured={**proof.front[0].measured, "predicted speedup": 1.1})
    lost = Baseline("beaten", figures(3.1, 22.0), proof.front[1].schedule, "fewer steps", "int8", 2**31)
    baselines = {**proof.baselines, "beaten 0": lost}
    write_proof(tmp_path, replace(proof, front=Front((wild, proof.front[1])), baselines=baselines))
    contents = gather_contents(tmp_path)
    assert [row[1] for row in head_table(tmp_path)[1:]] == ["*33.0 (front 1)*", "*33.0 (front 1)*", "–", "–"]
    made = Reader(render_page(contents))
    text = " ".join(made.texts)
    assert "The timing was disturbed: front 0 is not handed out" in text
    assert "beaten by fewer steps" in text
    assert "int8, fits 2.0 GiB" in text
    entries = {entry["name"]: entry for entry in made.data["entries"]}
    assert entries["beaten 0"]["group"] == "beaten"
    assert "3.00x measured where the predicted cost allows 1.10x" in entries["front 0"]["summary"]
    assert made.data["entries"][made.data["first"]]["name"] == "front 1"
    assert "pareto.png" in [file.name for file in write_plots(contents, tmp_path)]


def test_texts_of_strangers_stay_texts(tmp_path: Path) -> None:
    """Of a folder, prompts, names, provenance, plans, failures, settings, versions and a machine: wherever they are."""
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    write_journal(folder, candidates(), prompt=HOSTILE, failed=HOSTILE)
    proof = write_front(folder, name=HOSTILE, prompt=HOSTILE)
    schedule = proof.front[0].schedule.with_provenance(HOSTILE)
    lost = Baseline("beaten", figures(3.1, 22.0), schedule, HOSTILE)
    basis = replace(
        proof.basis,
        quality=HOSTILE,
        unit=HOSTILE,
        device=HOSTILE,
        clock=HOSTILE,
        left_out=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
    )
    front = Front((replace(proof.front[0], schedule=schedule), proof.front[1]))
    write_proof(folder, replace(proof, front=front, basis=basis, baselines={**proof.baselines, f"2{HOSTILE}": lost}))
    contents = replace(gather_contents(folder), title=HOSTILE, noise=(HOSTILE,))
    contents = replace(contents, entries=tuple(replace(entry, plan=HOSTILE) for entry in contents.entries))
    made = render_page(contents)
    found = Reader(made)
    assert not [tag for tag, a in found.tags if tag in ("img", "b") or any(name.startswith("on") for name in a)]
    assert [tag for tag, _ in found.tags].count("script") == len(found.scripts) == 3
    assert found.data["prompts"][0] == HOSTILE
    assert {HOSTILE, f"2{HOSTILE}"} <= {a["data-name"] for _, a in found.tags if "data-name" in a}
    text = "".join(found.texts)
    assert text.count(HOSTILE) >= 12
    assert "49" not in re.sub(r"\d\.\d+|\d+%", "", text)
    plain = re.sub(r"<script.*?</script>", "", made, flags=re.S)
    assert "<img" not in plain
    assert "alert(1)<" not in plain


def test_templates_trust_the_page_s_own_files_alone() -> None:
    folder = Path(html_file.__file__).parent / "templates"
    trusted = [found for file in folder.iterdir() for found in re.findall(r"{{(.*?)\| *safe", file.read_text())]
    assert sorted(trusted) == [' files["page.css"] ', ' files["page.js"] ', ' files["plotly.js"] ']
    assert not [file.name for file in folder.iterdir() if "autoescape" in file.read_text()]


def test_a_run_without_a_proof_shows_what_was_searched(tmp_path: Path) -> None:
    write_journal(tmp_path, candidates())
    contents = gather_contents(tmp_path)
    assert not contents.proven
    front = contents.group("front")
    qualities = [entry.figures["calibration quality"] for entry in front]
    assert len(front) >= 2
    assert qualities == sorted(qualities)
    assert qualities[-1] == pytest.approx(-min(map(error, candidates())))
    assert "not been proven" in render_page(contents)
    assert [file.name for file in write_plots(contents, tmp_path)] == [
        "pareto.png",
        "hypervolume.png",
        "importance.png",
    ]


def test_failures_are_counted_with_their_reasons(run: Path, tmp_path: Path) -> None:
    assert "evaluations failed" not in render_page(gather_contents(run))
    other = tmp_path / "other"
    other.mkdir()
    write_journal(other, candidates(), failed="GenerationError: <b>nothing</b>")
    told = "2 of 98 evaluations failed: GenerationError: <b>nothing</b>"
    assert read_history(other).failed == told
    assert told in " ".join(Reader(render_page(gather_contents(other))).texts)


def test_a_journal_that_goes_on_under_another_schedule_s_name_is_refused(tmp_path: Path) -> None:
    first, second = candidates(2)
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append(RunStarted({"steps": STEPS, "settings": {"prompts": 1}}))
        journal.append(ScheduleWritten(first.digest, pack(second)))
        journal.append(JobEvaluated(first.digest, (0,), (1.0,)))
    with pytest.raises(RunError, match=r"uncached\.json"):
        read_history(tmp_path)
    save(Schedule.full(TREE, STEPS), tmp_path / "uncached.json")
    with pytest.raises(RunError, match=f"cells of schedule {second.digest} under the name {first.digest}"):
        read_history(tmp_path)


def test_a_front_without_a_journal_is_reported(tmp_path: Path) -> None:
    write_front(tmp_path)
    contents = gather_contents(tmp_path)
    assert contents.history is None
    assert "front 1" in render_page(contents)


def test_an_empty_front_is_reported_as_such(tmp_path: Path) -> None:
    proof = write_front(tmp_path)
    uncached = {"uncached": proof.baselines["uncached"]}
    write_proof(tmp_path, Proof(Front(()), (), uncached, proof.basis))
    contents = gather_contents(tmp_path)
    assert [entry.name for entry in contents.entries] == ["uncached"]
    assert Reader(render_page(contents)).data["first"] == 0
    assert [file.name for file in write_plots(contents, tmp_path)] == ["pareto.png"]


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({}, "without a journal"),
        ({"journal.jsonl": ""}, "nothing has been evaluated"),
        ({"journal.jsonl": "nonsense\n"}, "line 1"),
        (
            {"journal.jsonl": '{"v": 1, "kind": "start", "run": {"settings": {"prompts": 2}}}\n'},
            "version 1, which did not",
        ),
        ({"front.json": "{}"}, "version 2"),
    ],
)
def test_folders_that_are_no_runs_are_refused(tmp_path: Path, files: dict[str, str], word: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RunError, match=word):
        gather_contents(tmp_path)


def test_plots_are_written_for_papers(run: Path, tmp_path: Path) -> None:
    found = write_plots(gather_contents(run), tmp_path)
    assert [f.name for f in found] == ["pareto.png", "hypervolume.png", "importance.png", "overfitting.png"]
    write_front(run, quality="my:$reward$^")
    assert write_plots(gather_contents(run), tmp_path) == found
    for file in found:
        with Image.open(file) as image:
            assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
            assert len(image.convert("RGB").getcolors(1 << 20) or []) > 10


def test_importance_is_told_at_equal_cost() -> None:
    points = [Point(s, {"error": error(s)}) for s in candidates()]
    found = compare_cells(points, STEPS)
    assert found is not None
    assert found.steps == STEPS
    assert found.good.shape == (12, STEPS)
    shares = found.by_kind()
    assert list(shares) == ["attention", "cross attention", "feed forward"]
    # those that compute all of feed-forward are the better half of every group
    assert shares["feed forward"][0] == 1.0 > shares["feed forward"][1]
    assert shares["attention"][0] < shares["attention"][1]
    assert shares["cross attention"] == (1.0, 1.0)
    assert np.all(found.lift[:, 0] == 0)
    assert compare_cells(points[:10], STEPS) is None


def test_importance_is_told_of_the_uncached_number_of_steps_alone() -> None:
    points = [Point(s, {"error": error(s)}) for s in candidates()]
    fewer = [Point(Schedule.full(TREE, n), {"error": -100.0}) for n in range(2, STEPS)]
    fewer += [Point(p.schedule.resampled(STEPS - 2), {"error": -100.0}) for p in points]
    alone, mixed = compare_cells(points, STEPS), compare_cells([*fewer, *points], STEPS)
    assert alone is not None
    assert mixed is not None
    assert (mixed.good == alone.good).all()
    assert mixed.schedules == alone.schedules == len(points)
    assert compare_cells(points, STEPS - 1) is None


def test_cells_show_what_is_skipped_where() -> None:
    orders = np.full((3, len(TREE)), -1, dtype=np.int8)
    orders[1, 1], orders[2, 3] = 0, 0
    found = arrange_cells(Schedule(TREE, orders))
    assert found.bands == ("span", *["attention"] * 4, *["cross attention"] * 4, *["feed forward"] * 4)
    assert found.letters[:3] == ("CRC", "C.R", "C.C")
    assert found.heights[0] == 1.5 > found.heights[1] == 1.0
    assert describe_schedule(Schedule(TREE, orders)).startswith(
        "3 steps, 64% of the leaves' executions. blocks[0:4] computes at steps 0, 2."
    )


def test_a_run_of_mixed_steps_is_reported_with_them(tmp_path: Path) -> None:
    write_journal(tmp_path, [*candidates(24), *(s.resampled(5) for s in candidates(4)), Schedule.full(TREE, 3)])
    unproven = gather_contents(tmp_path)
    assert unproven.steps == STEPS
    (best,) = unproven.entries  # in this landscape nothing is lost with the steps
    assert best.schedule == Schedule.full(TREE, 3)
    assert best.figures["speedup"] == pytest.approx(STEPS / 3)
    proof = write_front(tmp_path)
    points = (replace(proof.front[0], schedule=proof.front[0].schedule.resampled(4)), proof.front[1])
    write_proof(tmp_path, replace(proof, front=Front(points, STEPS), basis=replace(proof.basis, steps=STEPS)))
    contents = gather_contents(tmp_path)
    found = Reader(render_page(contents))
    first = found.data["entries"][0]
    assert [len(letters) for letters in first["cells"]["letters"]] == [4] * len(first["cells"]["letters"])
    assert first["summary"].startswith("3.00x (2.90-3.10), 4 steps, ")
    text = " ".join(found.texts)
    for word in (" steps ", " 25% ", "evaluated schedules of 8 steps"):  # two of four steps, of eight
        assert word in text
    assert len(write_plots(contents, tmp_path)) == 4


def test_what_is_stored_otherwise_is_a_point_of_its_own(tmp_path: Path) -> None:
    schedules = candidates(3)
    write_journal(tmp_path, schedules)
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append(JobEvaluated(schedules[0].digest, (0, 1), (-5.0, -3.0), storage="int8"))
    points = read_history(tmp_path).points
    assert [point.storage for point in points] == ["none"] * 3 + ["int8"]
    assert points[-1].objectives == {"error": -4.0}
    assert points[-1].schedule == points[0].schedule
    assert points[0].objectives["error"] == pytest.approx(error(schedules[0]))


def test_peaks_and_plans_are_in_the_page_where_memory_was_searched(tmp_path: Path) -> None:
    proof = write_front(tmp_path)
    write_journal(tmp_path, candidates())
    assert "predicted" not in figures_table(tmp_path)
    first, second = proof.front
    held = {**first.measured, "peak": 2.0**31, "predicted peak": 2.0**31}
    first = replace(first, measured=held, storage="fp8", budget=2**31)
    write_proof(tmp_path, replace(proof, front=Front((first, second))))
    shown = figures_table(tmp_path)
    assert "fp8, fits 2.0 GiB" in shown
    assert "predicted" in shown
    drawn = collect_plot_data(gather_contents(tmp_path))
    assert drawn["whole"] is True
    assert drawn["entries"][0]["megabytes"] == 2.0**31 / 1e6
    assert "peak 2.0 GiB (fp8, fits 2.0 GiB)" in drawn["entries"][0]["summary"]


def figures_table(folder: Path) -> str:
    """The headings and cells of all figures, a row on a line."""
    table = list_figures(gather_contents(folder))
    rows: list[Row] = [row for group in table.groups for row in group]
    return "\n".join(" | ".join(cells) for cells in [table.headings, *([c.text for c in row.cells] for row in rows)])

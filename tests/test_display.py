"""What `print` and notebooks show: the command line's tables, as plain text, with all digits."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

import evocache
from evocache import Front, apply
from evocache.errors import CodecError
from evocache.memory.planner.planner import Held, MemoryPlan
from evocache.policies import parse
from evocache.schedule import Provenance, Schedule, load, save
from evocache.schedule.front import Point
from evocache.schedule.front.context import Context
from evocache.tables import Column, plain, table
from tests.search.trees import stack

TREE = stack(3)
FIGURES = {
    "speedup": 2.3456,
    "speedup q1": 2.1,
    "speedup q3": 2.5,
    "quality": 31.23456,
    "quality q1": 29.0,
    "quality q3": 33.0,
    "memory": 3 * 2.0**20,
    "calibration quality": 32.5,
    "fewer steps quality": 28.25,
}


def point(spec: str = "fora:2", **changes: Any) -> Point:
    return replace(Point(parse(spec).schedule(TREE, 12), {}, FIGURES), **changes)


FRONT = Front((point("fora:3", measured={**FIGURES, "speedup": 3.125}), point()))


@pytest.fixture
def one(family) -> Any:
    return family("pixart")


def columns_of(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setenv("COLUMNS", str(count))


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_numbers_are_whole_however_narrow_the_terminal(monkeypatch, width):
    columns_of(monkeypatch, width)
    lines = str(FRONT).splitlines()
    for number, figures in enumerate(("3.12x", "2.35x")):
        (row,) = (line for line in lines if line.startswith(f"{number} "))
        assert figures in row
        assert "31.2" in row
        assert ("29.0..33.0" in row) == (width >= 60)  # columns go by their weight; what is left is whole
    assert "…" not in str(FRONT)
    assert ("3.0 MiB" in str(FRONT)) == (width >= 60)


def test_a_front_is_what_the_command_shows(monkeypatch):
    from typer.testing import CliRunner

    from evocache import zoo
    from evocache.cli.app import app

    columns_of(monkeypatch, 200)
    file = zoo.find("zoo:emoji").front
    command = CliRunner().invoke(app, ["front", str(file)], env={"COLUMNS": "200"}).stdout
    told = str(Front.load(file))
    shown = [" ".join(line.split()) for line in command.splitlines()]
    rows = [line.split(maxsplit=1)[1] for line in told.splitlines() if re.match(r"\d+ .*\d\.\d\dx ", line)]
    assert len(rows) == len(Front.load(file))
    for row in rows:
        figures = " ".join(row.split())
        assert any(figures in line for line in shown), figures
    assert "evolved at: guidance_scale 2.5" in told


def test_a_front_says_what_its_figures_are():
    assert str(Front(())) == "a front without points"
    assert "predicted, not measured" in str(Front((point(measured={}, predicted={"speedup": 2.0}),)))
    assert "nothing was measured" in str(Front((point(measured={}),)))
    fewer = Point(Schedule.full(TREE, 6), {}, {"speedup": 2.0})
    assert "fewer steps, uncached" in str(Front((fewer,), 12))


def test_a_point_shows_its_figures_its_context_and_its_schedule():
    told = str(point(context=Context({"guidance_scale": 2.5}), storage="fp8", budget=2**30))
    assert "2.35x" in told
    assert "evolved at: guidance_scale 2.5" in told
    assert "fp8, fits 1.0 GiB" not in told.splitlines()[0]
    assert "fp8, fits 1.0 GiB" in told
    assert "fora:2  12 steps" in told
    assert "█" in told


def test_a_tree_shows_equal_neighbours_in_a_line():
    told = str(TREE).splitlines()
    assert next(line.split() for line in told if "×3" in line)[:2] == ["b.0-2", "×3"]
    assert told[-1] == f"{len(TREE)} components, {len(TREE.leaves)} of them leaves"


def test_stats_and_handles_show_what_was_done(one):
    with apply(one.pipe, "fora:2", memory="1GB") as handle:
        assert "fora:2 on" in str(handle)
        assert "no generation so far" in str(handle)
        one.call()
        told = str(handle.stats)
        assert f"{handle.stats.executed_fraction:.0%} executed; transformer called" in told
        assert "cached at most" in told
        assert handle.stats.schedule.digest in told
        shown = str(handle)
        assert told.splitlines()[0] in shown
        assert "fits 1 GB: peak" in shown
        assert str(handle.memory) in shown
    assert "removed" in str(handle)
    assert repr(handle).startswith("<Handle: fora:2 on ")


def test_warnings_and_stages_are_shown(one):
    with apply(one.pipe, "fora:2", measure=True) as handle:
        one.call()
        stats = handle.stats
    assert "denoise" in str(stats)
    assert "note: look here" in str(replace(stats, warnings=("look here",)))
    assert "5.0 KiB moved, waited for 20.0 ms" in str(replace(stats, moved_bytes=5120, stalled_seconds=0.02))
    assert "5.0 KiB compared by the gate" in str(replace(stats, gate_bytes=5120))


def test_a_plan_shows_its_stages_and_what_is_done():
    plan = MemoryPlan(
        10**9, {"denoise": Held(10**8, 2 * 10**8, 3 * 10**6)}, capacity=10**6, moved=5 * 10**6, seconds=0.5
    )
    told = str(plan)
    assert re.search(r"denoise +100 MB +200 MB +3 MB +303 MB", told)
    assert "fits 1 GB: peak 303 MB" in told
    assert "each branch holds at most 1 MB; 5 MB move out and back" in told
    assert "predicted to add 0.5 s" in told
    assert "in fp8" in str(MemoryPlan(None, {}, storage="fp8"))


def test_planned_memory_shows_what_it_was(one):
    planned = evocache.plan_memory(one.pipe, CALL, "fora:2")
    assert "as it is" in str(planned)
    assert f"peak {planned.plan.peak / 1e6:.4g} MB" in str(planned)


CALL: dict[str, Any] = {
    "prompt": "a red fox",
    "height": 64,
    "width": 64,
    "use_resolution_binning": False,
    "num_inference_steps": 2,
    "output_type": "np",
}


def test_notebooks_show_the_same_and_nothing_of_it_is_markup(one):
    mean = "<script>alert(1)</script> & \x1b[2J"
    schedule = parse("fora:2").schedule(TREE, 12).with_provenance(mean)
    found = point(context=Context({"solver": mean}))
    for value in (replace(found, schedule=schedule), Front((found,)), TREE, MemoryPlan(None, {})):
        html = value._repr_html_()
        body = re.fullmatch(r"<pre [^<>]*>(.*)</pre>", html, re.DOTALL)
        assert body is not None
        assert "<" not in body[1]
        assert unescape(body[1]) == str(value)
        assert "\x1b" not in html
    with apply(one.pipe, "fora:2") as handle:
        one.call()
        for shown in (handle, handle.stats):
            assert unescape(shown._repr_html_()).count(str(shown)) == 1


def test_markup_of_rich_is_text():
    assert plain("[red]a[/red] :smile:") == "[red]a[/red] :smile:"
    assert "[bold]" in plain(table([Column("[bold]")], [["[/]"]]))


def test_a_point_is_saved_with_its_figures(tmp_path):
    found = point(storage="fp8", steps=12, budget=10**9, context=Context({"guidance_scale": 2.5}))
    file = tmp_path / "point.json"
    save(found, file)
    again = load(file)
    assert again == found.schedule
    assert np.array_equal(again.orders, found.schedule.orders)
    assert again.provenance.origin == "fora:2"
    assert again.provenance.objectives["quality"] == FIGURES["quality"]
    expected = {
        "storage": "fp8",
        "num_inference_steps": "12",
        "budget": "1000000000",
        "evolved at": "guidance_scale 2.5",
    }
    assert again.provenance.notes == expected
    assert found.schedule.provenance == Provenance("fora:2")
    with pytest.raises(CodecError, match=r"a str to save.*point of a front"):
        save("fora:2", file)  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="a Front to save"):
        save(FRONT, file)  # type: ignore[arg-type]

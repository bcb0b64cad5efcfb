"""Heat maps in the terminal."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from evocache.schedule import Provenance, Schedule, Tree, deep_id, uniform
from evocache.schedule.component import Component
from evocache.schedule.render import draw_heatmap

from .strategies import MODEST, dit, grid, schedules, single

ATTN, FF = "transformer/blocks.0.attn1", "transformer/blocks.0.ff"


def show(schedule: Schedule, width: int | None = None, *, console: int = 100, detail: bool = False, **how) -> list[str]:
    out = Console(file=io.StringIO(), width=console, **how)
    out.print(draw_heatmap(schedule, width, detail=detail))
    return out.file.getvalue().splitlines()


def test_groups_by_hand():
    tree = dit(4, ("attn1", "ff")).with_span("transformer", 0, 2)
    orders = np.full((6, len(tree)), -1, dtype=np.int8)
    orders[[2, 3], tree.index["transformer/blocks[0:2]"]] = [0, 1]
    orders[4, tree.index["transformer/blocks.0.ff"]] = 0
    orders[5, [c.kind == "feed_forward" for c in tree]] = 1
    schedule = Schedule(tree, orders, provenance=Provenance("by hand"))
    assert show(schedule) == [
        f"by hand  6 steps  {schedule.executed_fraction():.0%} executed  {schedule.digest}",
        "                  0    5",
        "transformer       ██████ 100%",
        "  blocks[0:2]     ██░▒██  67%",
        "  block ×4        ██▄▄██  83%",
        "  attention ×4    ██▄▄██  83%",
        "  feed_forward ×4 ██▄▄▆▒  62%",
        "█ compute  ░ reuse  ▒ forecast  ▁▂▃▄▅▆▇ some compute",
    ]


def test_detail_by_hand():
    tree = dit(1).with_span("transformer", 0, 1)
    schedule = Schedule(tree, grid(tree, "CCCC", "CCRC", "CCCC", "CRRC", "CCC1"))
    assert show(schedule, detail=True)[1:] == [
        "                 0",
        "transformer      ████ 100%",
        "  blocks[0:1]    ██░█  75%",
        "  blocks.0       ██·█  75%",
        "  blocks.0.attn1 █░·█  50%",
        "  blocks.0.ff    ██·▒  50%",
        "█ compute  ░ reuse  ▒ forecast  · within what is skipped",
    ]


def test_what_always_computes_needs_no_row_but_its_denoiser():
    assert show(Schedule.full(dit(2, ("ff",)).with_span("transformer", 0, 2), 3))[1:] == [
        "                  0",
        "transformer       ███ 100%",
        "  feed_forward ×2 ███ 100%",
        "█ compute",
    ]


def test_denoisers_and_deep_parts_have_rows_of_their_own():
    components = (Component("unet", "denoiser"), Component(deep_id("unet", 1), "deep", None, "unet"))
    tree = Tree((*components, *dit(1, ("ff",), denoiser="prior").components))
    orders = np.full((3, len(tree)), -1, dtype=np.int8)
    orders[1, 1], orders[2, 4] = 0, 0
    labels = [line.split("█")[0].rstrip() for line in show(Schedule(tree, orders))[2:-1]]
    assert labels == ["unet", "  deep[1]", "prior", "  feed_forward"]


def test_long_schedules_fold_into_bands():
    lines = show(uniform(dit(1), 50, [FF], range(0, 50, 5)), width=50)
    numbers = [line.split() for line in lines if line.replace(" ", "").isdigit()]
    assert numbers == [["0", "5", "10", "15", "20", "25"], ["30", "35", "40", "45"]]
    rows = [line[len("  feed_forward ") :] for line in lines if line.startswith("  feed_forward")]
    assert rows == ["█░░░░" * 6 + "  20%", "█░░░░" * 4]


def test_very_long_schedules_share_columns():
    schedule = uniform(dit(1), 1000, [FF], range(0, 500))
    lines = show(schedule, width=60)
    assert "  feed_forward " + "█" * 20 + "░" * 20 + "  50%" in lines
    assert "               0    125  250  375  500  625  750  875" in lines
    assert lines[-1] == "1 column = 25 steps"
    lines = show(uniform(dit(1), 1000, [FF], range(0, 510)), width=60)
    assert "  feed_forward " + "█" * 20 + "▃" + "░" * 19 + "  51%" in lines


@settings(MODEST, max_examples=15)
@given(schedules(), st.integers(20, 70), st.booleans(), st.integers(1, 200))
def test_lines_stay_within_the_width(schedule, width, detail, steps):
    lines = show(schedule.resampled(steps), width, console=90, detail=detail)
    assert max(cell_len(line) for line in lines) <= width
    assert max(cell_len(line) for line in show(schedule, None, console=width, detail=detail)) <= width


@MODEST
@given(schedules())
def test_glyphs_count_the_cells(schedule):
    lines = show(schedule, detail=True)
    assert len(lines) == len(schedule.tree) + 3
    cells = "".join(c for line in lines[2:-1] for c in line if c in "█░▒·")
    reads = schedule.read & (schedule.orders == 0)
    assert cells.count("█") == schedule.executed.sum()
    assert cells.count("░") == reads.sum()
    assert cells.count("▒") == (schedule.read & ~reads).sum()
    assert len(cells) == schedule.executed.size


def test_colours_tell_actions_apart():
    tree = dit(1, ("ff",))
    schedule = Schedule(tree, grid(tree, "CCCC", "CCCC", "CCR1"))
    row = show(schedule, detail=True, force_terminal=True, color_system="256")[4]
    assert re.findall(r"\x1b\[([0-9;]+)m([█░▒]+)", row) == [("92", "█"), ("92", "█"), ("38;5;244", "░"), ("35", "▒")]


def test_dead_code_is_marked():
    tree = single()
    orders = np.full((2, len(tree)), -1, dtype=np.int8)
    orders[1, tree.index["transformer/single.0.proj_out"]] = 0
    rows = [line.split()[1] for line in show(Schedule(tree, orders), detail=True)[2:-1]]
    assert rows == ["██", "██", "█·", "█·", "█░"]


@pytest.mark.parametrize("origin", ["[red]x[/red]", "a\x1b[31mb", "two\nlines", "x" * 300])
def test_origins_are_shown_as_plain_text(origin):
    lines = show(Schedule.full(dit(1), 2).with_provenance(origin), console=60)
    assert "\x1b" not in "".join(lines)
    expected = origin.replace("\x1b", "?").replace("\n", "?")
    assert lines[0].startswith(expected if len(expected) < 60 else "x" * 59 + "…")

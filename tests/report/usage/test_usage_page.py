"""The page of a report of usage: what it shows, how it escapes, and where charts have their points."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from evocache.report.usage.chart import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Frame, round_step
from evocache.report.usage.html_file import render_usage_page
from evocache.report.usage.usage_charts import draw_curve, draw_day, draw_times, draw_working_set
from evocache.report.usage.usage_tables import compare_rooms, list_owners
from evocache.usage.patterns.drift import DriftPoint
from evocache.usage.patterns.report.analysis import analyse
from evocache.usage.patterns.report.contents import UsageReport
from evocache.usage.records.event import Event

from ..runs import HOSTILE


def report(first: float = 1_790_000_000.0, count: int = 1000) -> UsageReport:
    draw = random.Random(1)
    events = [
        Event(
            first + 300 * i,
            "",
            (1 + int(draw.expovariate(0.02))).to_bytes(8, "big"),
            draw.choice(["hit", "miss"]),
            owner=bytes([draw.randint(1, 9)] * 8),
            group=bytes([draw.randint(1, 5)] * 8),
            size=100,
            saved=1.0,
        )
        for i in range(count)
    ]
    return analyse(events, rooms=[500, 2000], policies=("gdsf",))


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def test_a_page_is_one_file_with_all_sections() -> None:
    text = render_usage_page(report(), "shop.db", "1.2.3")
    page = Page(text)
    assert not [name for _, a in page.tags for name in ("src", "href") if a.get(name)]
    assert "script" not in {tag for tag, _ in page.tags}
    for head in ("What a cache did", "What repeats", "Who asks", "When", "What is in use", "evocache 1.2.3"):
        assert head in page.text
    assert [tag for tag, _ in page.tags].count("svg") == 6
    assert all(a["aria-label"] for tag, a in page.tags if tag == "svg")
    assert text.count('class="meaning"') == 9


def test_hostile_text_is_escaped() -> None:
    found = report()
    rooms = tuple(
        replace(room, hit_rates={**room.hit_rates, HOSTILE: 0.1}, saved={**room.saved, HOSTILE: 1.0})
        for room in found.rooms
    )
    point = DriftPoint(500, HOSTILE, 0.5, 0.2)  # type: ignore[arg-type]
    text = render_usage_page(replace(found, rooms=rooms, kinds={HOSTILE: 1000}, drift=(point,)), HOSTILE, HOSTILE)
    page = Page(text)
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in Page(render_usage_page(found, "a")).tags} | {"line"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 8
    assert HOSTILE not in text


def test_a_report_of_little_is_a_page_too() -> None:
    nothing = analyse([])
    one = analyse([Event(5.0, "", b"k" * 8, "miss", size=100)])
    for found in (nothing, one, replace(report(), times=(), first=None, last=None, rooms=(), owners=(), kinds={})):
        assert "<h1>Usage: a</h1>" in render_usage_page(found, "a")


def test_a_frame_turns_values_into_places() -> None:
    frame = Frame(0, 10, 4)
    assert (frame.x(0), frame.y(0), frame.y(4)) == (LEFT, HEIGHT - BOTTOM, TOP)
    assert frame.x(5) == (LEFT + frame.x(10)) / 2
    assert frame.y(9) == TOP
    assert [tick.text for tick in frame.levels("{:g}".format)] == ["0", "1", "2", "3", "4"]
    assert Frame(1, 16, 1, by_factor=True).x(4) == frame.x(5)
    assert [tick.anchor for tick in frame.ticks([0, 5, 10], str)] == ["start", "middle", "end"]
    assert [round_step(value) for value in (0.011, 0.3, 1, 3, 26)] == [pytest.approx(v) for v in (0.02, 0.5, 1, 5, 50)]


def test_charts_show_the_figures() -> None:
    found = report()
    day = draw_day(found)
    assert day is not None
    heights = [bar.height for bar in day.bars]
    counts = found.by_hour_of_day()
    assert heights.index(max(heights)) == counts.index(max(counts))
    times = draw_times(found)
    assert times is not None
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH for bar in times.bars)
    curve = draw_curve(found)
    assert curve is not None
    learned = [mark for mark in curve.marks if mark.title.startswith("gdsf")]
    assert len(learned) == len(found.rooms)
    rates = [f"{room.hit_rates['gdsf']:.1%}" for room in found.rooms]
    assert [mark.title.split()[-1] for mark in learned] == rates
    parts = draw_working_set(replace(found, drift=(DriftPoint(500, "hit rate", 0.5, 0.2),)))
    assert parts is not None
    (rule,) = parts.rules
    assert rule.x == Frame(0, 1000, 1).x(500)
    assert "hit rate changed from 50% to 20%" in rule.title
    assert re.fullmatch(r"([\d.]+,[\d.]+ ?)+", parts.lines[0].points)


def test_a_trace_that_counts_from_its_beginning_has_no_hours_of_the_day() -> None:
    found = report(first=0.0)
    assert draw_day(found) is None
    times = draw_times(found)
    assert times is not None
    assert times.ticks[0].text.startswith("+")


def test_tables_say_who_takes_how_much() -> None:
    found = report()
    owners = list_owners(found)
    assert owners is not None
    first = owners.groups[0][0].cells
    assert first[0].text == found.owners[0].owner.hex()[:12]
    assert first[2].text == f"{found.owners[0].requests / 1000:.1%}"
    rooms = compare_rooms(found)
    assert rooms is not None
    assert [group[0].cells[0].best for group in rooms.groups] == [True, True]
    assert [group[-1].cells[0].text for group in rooms.groups] == ["belady", "belady"]

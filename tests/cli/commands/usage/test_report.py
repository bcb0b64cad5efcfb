import json
import re

import pytest

from evocache.cli.commands.usage.sources import name_source
from evocache.cli.commands.usage.sparkline import draw_bars
from evocache.usage.records.event import Event
from evocache.usage.records.open_store import open_store
from evocache.usage.records.retention import Retention

HOURS = 40


@pytest.fixture
def store(tmp_path):
    """4,000 requests of 40 hours: the first thousand ask for few questions."""
    path = tmp_path / "usage.db"
    with open_store(path, retention=Retention(None, None, None)) as kept:
        kept.append(
            Event(
                1_790_000_000.0 + i * 36,
                "",
                (i * i % (30 if i < 1000 else 900) + 1).to_bytes(8, "big"),
                "hit" if i % 3 else "miss",
                owner=bytes([1 + i % 7] * 8),
                size=1000,
                saved=0.5 if i % 3 else 0.0,
                seconds={} if i % 3 else {"compute": 0.5},
            )
            for i in range(100 * HOURS)
        )
    return path


def test_it_says_what_repeats_and_what_caches_could_do(run, trace_file):
    found = json.loads(run("usage", "report", trace_file, "--json").stdout)
    assert (found["source"], found["requests"], found["sampled"]) == ("requests.csv", 2000, [])
    assert 0 < found["own"] < found["anybody"] < 1
    assert sum(owner["requests"] for owner in found["owners"]) == 2000
    assert sum(part["requests"] for part in found["parts"]) == 2000
    assert sum(part["requests"] for part in found["times"]) == 2000
    assert len(found["rooms"]) == 3
    for room in found["rooms"]:
        assert set(room["hit_rates"]) == {"learned", "lru", "gdsf", "s3fifo"}
        assert max(room["hit_rates"].values()) <= room["best_offline"] <= room["bound"]
        assert room["saved"]["lru"] == pytest.approx(0.5 * 2000 * room["hit_rates"]["lru"])
    assert {"repeats", "owners", "again", "drift", "rooms"} <= set(found["meaning"])
    text = " ".join(run("usage", "report", trace_file, "--room", "5%").stdout.split())
    for word in ("2,000 requests", "who asks most", "belady", "learned", "LRU hit rate", "working set"):
        assert word in text


def test_a_store_has_hours_and_says_what_its_cache_did(run, store, tmp_path):
    page, figures = tmp_path / "report.html", tmp_path / "report.json"
    text = run("usage", "report", store, "--room", "50KB", "--out", page).stdout
    for word in ("hours, UTC", "over time", "66.6% of the requests were answered", str(page)):
        assert word in text, word
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert "By hour of the day" in html
    assert not re.search(r"<script|\ssrc=|\shref=", html)
    run("usage", "report", store, "--room", "50KB", "--room", "10%", "--out", figures)
    found = json.loads(figures.read_text(encoding="utf-8"))
    assert [room["max_bytes"] for room in found["rooms"]] == [found["rooms"][0]["max_bytes"], 50_000]
    assert len(found["hours"]) == HOURS + 1


def test_of_much_the_last_requests_are_read(run, store, trace_file):
    for source, skipped in ((store, 3500), (trace_file, 1500)):
        found = json.loads(run("usage", "report", source, "--requests", 500, "--room", "5%", "--json").stdout)
        assert (found["requests"], found["skipped"]) == (500, skipped)
        assert found["sampled"] == [f"The last 500 of {skipped + 500:,} requests were read."]
    assert found["last"] == 1999


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "report.htm"], "did you mean report.html?"),
        (["--out", "report.pdf"], "ends in .html or .json"),
        (["--out", "nowhere/report.html"], "in no folder"),
        (["--room", "0%"], "from 0% to 100%"),
    ],
)
def test_options_are_checked_before_the_file_is_read(run, options, said):
    result = run("usage", "report", "nothing.csv", *options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert "nothing.csv" not in result.stderr


def test_sources_that_are_none_are_told_in_one_message(run, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("key,size\n")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00key")
    none = tmp_path / "none.db"
    open_store(none).close()
    for source, said in ((empty, "no requests"), (binary, "no text in UTF-8"), (tmp_path, "folder"), (none, "no req")):
        for command in ("report", "replay"):
            result = run("usage", command, source)
            assert result.exit_code == 2
            assert result.stdout == ""
            assert said in " ".join(result.stderr.split())


def test_a_url_is_named_without_its_password():
    assert name_source("postgresql://ann:secret@db.example:5432/usage?sslmode=require") == (
        "postgresql://db.example:5432/usage"
    )
    assert name_source("folder/requests.csv") == "requests.csv"


def test_bars_show_what_is_little_and_average_what_is_much():
    assert draw_bars([0, 0.01, 8, 4], 4) == " ▁█▄"
    assert draw_bars([8, 4], 4) == "██▄▄"
    assert draw_bars([8, 8, 0, 0], 2) == "█ "
    assert draw_bars([], 10) == ""

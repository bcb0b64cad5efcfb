import json
import re
from pathlib import Path

import pytest


def test_policies_stand_beside_the_bound(run, trace_file):
    found = json.loads(run("usage", "replay", trace_file, "--room", "5%", "--json").stdout)
    rates = {one["name"]: one["hit_rate"] for one in found["policies"]}
    assert set(rates) == {"learned", "lru", "gdsf", "s3fifo"}
    assert list(rates.values()) == sorted(rates.values(), reverse=True)
    assert 0 < rates["lru"] < found["offline"]["hit_rate"] == found["bound"]
    gaps = {one["name"]: one["gap_closed"] for one in found["policies"]}
    assert gaps["lru"] == 0
    assert found["offline"]["gap_closed"] == 1
    assert found["max_bytes"] == int(0.05 * found["whole"])
    assert [one["changes"] is not None for one in found["policies"] if one["name"] == "learned"] == [True]
    lru = next(one for one in found["policies"] if one["name"] == "lru")
    assert lru["seconds_saved"] == lru["hits"] / 2


def test_the_table_defines_its_words(run, trace_file):
    text = run("usage", "replay", trace_file, "--policy", "GDSF", "--room", "20KB").stdout
    assert "2,000 requests, 20 KB each" in text
    text = " ".join(text.split())
    for word in ("gdsf", "lru", "belady", "gap closed", "hit: answered from a stored result", "the most hits"):
        assert word in text
    assert "learned" not in text


def test_where_sizes_differ_it_says_which_rule_and_a_bound(run, tmp_path):
    path = tmp_path / "requests.jsonl"
    rows = [{"key": i * i % 37, "size": 100 + 40 * (i * i % 37), "seconds": 1} for i in range(300)]
    path.write_text("\n".join(map(json.dumps, rows)))
    text = run("usage", "replay", path, "-p", "lru", "--room", "20%").stdout
    assert "no policy has more hits" in text
    assert "\nbound" in text
    found = json.loads(run("usage", "replay", path, "-p", "lru", "--room", "20%", "--json").stdout)
    assert found["offline"]["name"] in ("belady", "belady by size")
    assert found["offline"]["hit_rate"] <= found["bound"]


def test_records_are_replayed(run, tmp_path):
    from evocache.usage.records.event import Event
    from evocache.usage.records.open_store import open_store

    path = tmp_path / "usage.db"
    with open_store(path, clock=lambda: 100.0) as store:
        kinds = ["miss", "hit", "failed"] * 20
        store.append(
            Event(float(i), "", bytes([i % 5 + 1] * 16), kind, size=100, saved=2.0) for i, kind in enumerate(kinds)
        )
    found = json.loads(run("usage", "replay", path, "-p", "lru", "--room", "100%", "--json").stdout)
    assert found["requests"] == 40
    assert found["policies"][0]["hits"] == 35
    assert found["policies"][0]["seconds_saved"] == 70


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key,sise\na,1\n", ["line 1", "sise", "did you mean size?"]),
        ("size\n1\n", ["no column key"]),
        ("key,size\na,1\nb,large\n", ["line 3, column size", "large"]),
        ("key,size\na,1\n,1\n", ["line 3, column key"]),
        ("key,size\na\n", ["line 2", "1 values"]),
        ("key,time\na,5\nb,4\n", ["line 3", "time 4 after 5"]),
        ('{"key": "a"}\n[1]\n', ["line 2", "an object in JSON"]),
        ('{"key": 1.5}\n', ["line 1, column key", "1.5"]),
        ('{"key": "a", "seconds": -1}\n', ["line 1, column seconds"]),
        ("key\n", ["no requests"]),
    ],
)
def test_a_file_that_is_wrong_is_told_by_line_and_column(run, tmp_path, text, said):
    path = tmp_path / "requests"
    path.write_text(text)
    result = run("usage", "replay", path)
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    for word in said:
        assert word in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "gdsv"], "did you mean 'gdsf'?"),
        (["--room", "300%"], "from 0% to 100%"),
        (["--room", "much"], "bytes, such as 200MB"),
    ],
)
def test_options_are_checked_before_the_file_is_read(run, options, said):
    result = run("usage", "replay", "nothing.csv", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "nothing.csv" not in result.stderr


def test_no_such_file(run):
    result = run("usage", "replay", "nothing.csv")
    assert result.exit_code == 2
    assert "no such file" in result.stderr


@pytest.mark.parametrize(("kind", "keys"), [("csv", 2), ("json", 2)])
def test_traces_of_the_guide_are_read(run, tmp_path, kind, keys):
    guide = (Path(__file__).parents[4] / "docs" / "guides" / "usage.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```{kind}\n(.*?)^```$", guide, re.M | re.S)
    path = tmp_path / f"requests.{kind}"
    path.write_text(block)
    found = json.loads(run("usage", "replay", path, "-p", "lru", "--room", "100%", "--json").stdout)
    assert (found["requests"], found["policies"][0]["hits"]) == (3, 3 - keys)


def test_figures_are_written_and_belady_stands_there_anyway(run, trace_file, tmp_path):
    out = tmp_path / "replay.json"
    printed = run("usage", "replay", trace_file, "-p", "Belady", "--room", "5%", "--out", out).stdout
    found = json.loads(out.read_text())
    assert [one["name"] for one in found["policies"]] == ["lru"]
    assert found["offline"]["name"] == "belady"
    assert str(out) in printed
    refused = run("usage", "replay", "nothing.csv", "--out", tmp_path / "replay.csv")
    assert refused.exit_code == 2
    assert "ends in .json" in " ".join(refused.stderr.split())

"""Readers of public traces, on a few lines that are written here in each format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.usage.traces.arrivals import TraceError
from benchmarks.usage.traces.azure import read_azure, read_time
from benchmarks.usage.traces.measure import find_traces, measure_traces, text
from benchmarks.usage.traces.mooncake import read_mooncake
from benchmarks.usage.traces.prompts import FOLDER, read_prompts
from benchmarks.usage.traces.servegen import draw, read_servegen, read_windows

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 10:00:00.0000000,100,5
2023-11-16 10:00:01.5000000,2000,17
2023-11-16 10:01:00.2500000,64,1
"""


def write_mooncake(path: Path, blocks: list[list[int]]) -> None:
    rows = (
        {"timestamp": 500 * i, "input_length": 512 * len(one), "output_length": 9, "hash_ids": one}
        for i, one in enumerate(blocks)
    )
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")


def test_azure_has_times(tmp_path: Path) -> None:
    path = tmp_path / "AzureLLMInferenceTrace_mine.csv"
    path.write_text(AZURE)
    found = read_azure(path)
    assert found.seconds.tolist() == pytest.approx([0.0, 1.5, 60.25])
    assert (found.requests, found.lookups, len(found.users)) == (3, None, 0)
    figures = found.figures()
    assert figures["rate"] == pytest.approx(2 / 60.25)
    assert figures["peak"] == pytest.approx(2 / 60)
    assert read_time("1970-01-02 00:00:00.25") == 86400.25


def test_mooncake_has_blocks_that_prompts_share(tmp_path: Path) -> None:
    path = tmp_path / "mine_trace.jsonl"
    write_mooncake(path, [[0, 1], [0, 2, 3], [0, 1, 4]])
    found = read_mooncake(path)
    assert found.seconds.tolist() == [0.0, 0.5, 1.0]
    assert found.lookups is not None
    assert found.lookups.key.tolist() == [1, 2, 1, 3, 4, 1, 2, 5]
    assert set(found.lookups.size.tolist()) == {512}
    part = read_mooncake(path, most=3)
    assert part.lookups is not None
    assert (part.requests, len(part.lookups)) == (3, 3)


def test_servegen_is_drawn_at_the_rates_of_its_windows(tmp_path: Path) -> None:
    (tmp_path / "chunk-0-trace.csv").write_text("0,2,1,Gamma,1,0.5\n600,0,0,,0,0\n1200,4,3,Weibull,0.5,0.1\n")
    (tmp_path / "chunk-1-trace.csv").write_text("0,0.5,1,Gamma,2,1\n600,0,0,,0,0\n1200,0,0,,0,0\n")
    assert read_windows(tmp_path / "chunk-0-trace.csv")[2] == (1200.0, 4.0, "Weibull", 0.5)
    found = read_servegen(tmp_path)
    counts = np.unique(found.users, return_counts=True)[1]
    assert counts[0] == pytest.approx(2 * 600 + 4 * 600, rel=0.15)
    assert counts[1] == pytest.approx(0.5 * 600, rel=0.2)
    assert not ((found.seconds >= 600) & (found.seconds < 1200)).any()
    assert (np.diff(found.seconds) >= 0).all()
    assert read_servegen(tmp_path).seconds.tolist() == found.seconds.tolist()
    later = read_servegen(tmp_path, since=1200)
    assert set(later.users.tolist()) == {1}
    assert 0 <= later.seconds[0] < later.seconds[-1] < 600
    assert found.figures()["heaviest"] == pytest.approx(counts[0] / counts.sum())


def test_gaps_have_the_shape_that_is_asked_for() -> None:
    gaps = np.diff(draw(np.random.default_rng(1), 10.0, "Gamma", 0.25, 5000.0))
    assert gaps.mean() == pytest.approx(0.1, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(2, rel=0.05)  # 1 / sqrt(shape)


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("AzureLLMInferenceTrace_a.csv", "time,a,b\n", "line 1: expected TIMESTAMP"),
        ("AzureLLMInferenceTrace_a.csv", AZURE + "2023-11-16,1,2\n", "line 5"),
        ("a_trace.jsonl", '{"timestamp": 1}\n', "line 1"),
        ("a_trace.jsonl", "[1]\n", "line 1: expected an object"),
        ("chunk-0-trace.csv", "0,1,1,Pareto,1,1\n", "line 1: a distribution 'Pareto'"),
        ("chunk-0-trace.csv", "0,1\n", "line 1"),
    ],
)
def test_a_file_in_another_format_is_told_by_its_line(tmp_path: Path, name: str, lines: str, said: str) -> None:
    (tmp_path / name).write_text(lines)
    result = measure_traces(find_traces(tmp_path, tmp_path / "none"))
    told = [one["skipped"] for one in result.values() if name in one["skipped"] and "no " not in one["skipped"][:3]]
    assert len(told) == 1
    assert said in told[0]


def test_what_is_there_is_measured_and_the_rest_is_skipped(tmp_path: Path) -> None:
    write_mooncake(tmp_path / "mine_trace.jsonl", [[i % 7, i % 3, i] for i in range(200)])
    result = measure_traces(find_traces(tmp_path, tmp_path / "none"), policies=("lru", "s3fifo"))
    assert {name: "skipped" in one for name, one in result.items()} == {
        "azure": True, "mooncake mine_trace": False, "servegen": True, "prompts": True
    }  # fmt: skip
    rates = result["mooncake mine_trace"]["rooms"]["10%"]
    assert 0 < rates["lru"] <= rates["belady"]
    told = text(result, ("lru", "s3fifo"))
    assert "azure: skipped: no AzureLLMInferenceTrace_*.csv" in " ".join(told.split())
    assert "mooncake mine_trace" in told
    assert all("skipped" in one for one in measure_traces(find_traces(tmp_path / "none", tmp_path / "none")).values())


def test_prompts_in_their_order() -> None:
    if not FOLDER.is_dir():
        pytest.skip("the prompts are not beside the repository: ../shared/data/prompts")
    found = read_prompts()
    assert found.lookups is not None
    assert found.requests > 3000
    assert len(set(found.lookups.key.tolist())) > 0.9 * found.requests
    with pytest.raises(TraceError, match="imagereward"):
        read_prompts(FOLDER / "parti")

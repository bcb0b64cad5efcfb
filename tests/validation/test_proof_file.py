"""The proof's file: what is damaged in it ends in one typed error, whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import RunError
from evocache.validation.proof_file import read_proof
from tests.report.runs import write_front

FIRST = "points", 0, "measured"
POLICY = "baselines", "fora:2", "measured"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("front")
    write_front(folder)
    read_proof(folder)
    return (folder / "front.json").read_text()


def at(document: Any, *path: str | int) -> Any:
    for part in path:
        document = document[part]
    return document


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: at(d, *FIRST).pop("speedup"), "without speedup"),
        (lambda d: at(d, *FIRST).pop("quality"), "without quality"),
        (lambda d: at(d, *FIRST).clear(), "without speedup"),
        (lambda d: at(d, *FIRST).update(speedup=0), "0 for speedup"),
        (lambda d: at(d, *FIRST).update({"speedup q1": -1}), "-1 for speedup q1"),
        (lambda d: at(d, *FIRST).update(memory=-1), "-1 for memory"),
        (lambda d: at(d, *FIRST).update(seconds=-1), "-1 for seconds"),
        (lambda d: at(d, *FIRST).update(quality="good"), "a number"),
        (lambda d: at(d, *POLICY).pop("speedup"), "without speedup"),
        (lambda d: at(d, *POLICY).pop("quality"), "without quality"),
        (lambda d: at(d, *POLICY[:2]).update(group="front"), "for the group"),
        (lambda d: at(d, *POLICY[:2]).update(group="<script>"), "for the group"),
        (lambda d: at(d, *POLICY[:2]).pop("group"), "no 'group'"),
        (lambda d: d["points"][1].update(name="front 0"), "another for each"),
        (lambda d: d["points"][1].update(name="fora:2"), "another for each"),
        (lambda d: d.pop("pictures"), "no 'pictures'"),
        (lambda d: d.pop("version"), "version None"),
        (lambda d: d.update(version=[1]), "version"),
    ],
)
def test_a_damaged_front_is_told(whole: str, tmp_path: Path, change: Callable[[Any], object], word: str) -> None:
    document = json.loads(whole)
    change(document)
    (tmp_path / "front.json").write_text(json.dumps(document))
    with pytest.raises(RunError) as found:
        read_proof(tmp_path)
    assert word in str(found.value)

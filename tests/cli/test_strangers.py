"""Text in a stranger's files commands no terminal: not in tables, heat maps, notes, errors or what pictures carry."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from evocache import Front
from evocache.errors import BudgetError, Error, MismatchError, printable
from evocache.model import discover
from evocache.policies import parse
from evocache.schedule import Schedule, dumps
from tests.report.runs import write_front
from tests.schedule.strategies import dit
from tests.tiny import FAMILIES

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x00\r\ud800[red]\u2028"
"""A window's title, a cleared screen, an 8-bit escape, reversed letters, half a character, markup, one more line."""

SENDABLE = HOSTILE.replace("\ud800", "")
"""What a file may hold: readers refuse half characters."""


def harmless(text: str) -> bool:
    return not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_what_is_printable():
    assert harmless(printable(HOSTILE))
    assert printable("[red]") == "[red]"
    for kept in ("", "plain", "naïve 狐 🦊", "family 👨\u200d👩\u200d👧", "می\u200cخواهم", "two\nlines\tapart"):
        assert printable(kept) == kept
    assert len(printable(HOSTILE)) == len(HOSTILE)


@pytest.mark.parametrize("kind", [Error, MismatchError])
def test_errors_are_harmless(kind):
    error = kind(HOSTILE, f"x{HOSTILE}", f"y{HOSTILE}")
    for text in (str(error), error.given, error.expected, error.mend, *map(str, error.args)):
        assert harmless(text)
    assert harmless(str(BudgetError(5, {HOSTILE: 9})))


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A run's folder in whose front every free text is hostile."""
    write_front(tmp_path)
    document = json.loads((tmp_path / "front.json").read_text())
    for i, point in enumerate(document["points"]):
        point["name"] = f"{i}{SENDABLE}"
        point["schedule"]["provenance"] = {"origin": SENDABLE, "notes": {SENDABLE: SENDABLE}}
        point["schedule"]["model"] = {SENDABLE: SENDABLE}
    document["baselines"] = {f"{name}{SENDABLE}": value for name, value in document["baselines"].items()}
    document["basis"] |= dict.fromkeys(("quality", "unit", "device"), SENDABLE)
    document["basis"] |= {"left_out": [SENDABLE], "versions": {SENDABLE: SENDABLE}}
    (tmp_path / "front.json").write_text(json.dumps(document))
    return tmp_path


def test_a_stranger_s_front_is_shown_in_harmless_characters(run, stranger):
    result = run("front", stranger)
    assert result.exit_code == 0
    assert "owned" in result.stdout
    assert harmless(result.stdout + result.stderr)
    assert harmless(run("front", stranger, "--json").stdout)


@pytest.mark.parametrize("wish", [["--speedup", "99"], [], ["--memory", "1KB"]])
def test_wishes_for_a_stranger_s_front_are_refused_harmlessly(refused, stranger, wish):
    assert harmless(refused("generate", "-p", "fox", "--schedule", stranger, *wish))


def test_pictures_by_a_stranger_s_front_carry_harmless_text(run, folder, tmp_path):
    run_folder, out = tmp_path / "run", tmp_path / "out"
    run_folder.mkdir()
    proof = write_front(run_folder)
    tree = discover(FAMILIES["pixart"].build()).tree
    document = json.loads((run_folder / "front.json").read_text())
    schedule = parse("fora:2").schedule(tree, 2).with_provenance(SENDABLE)
    document["points"] = [{**document["points"][0], "name": SENDABLE, "schedule": json.loads(dumps(schedule))}]
    (run_folder / "front.json").write_text(json.dumps(document))
    assert len(Front.load(run_folder)) < len(proof.front)
    sizes = ["--height", 32, "--width", 32, "--steps", 2, "--set", "use_resolution_binning=false"]
    result = run(
        "generate",
        "-m",
        folder,
        "-p",
        "fox",
        "--schedule",
        run_folder,
        "--speedup",
        1,
        *sizes,
        "--device",
        "cpu",
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    assert harmless(result.stdout + result.stderr)
    (picture,) = out.iterdir()
    assert harmless(picture.name)
    assert harmless("".join(Image.open(picture).text.values()))


def test_a_stranger_s_schedule_is_shown_in_harmless_characters(run, tmp_path):
    tree = dit(2)
    schedule = Schedule.full(tree, 4, model={SENDABLE: SENDABLE})
    schedule = schedule.with_provenance(SENDABLE, notes={SENDABLE: SENDABLE}, objectives={SENDABLE: 1.0})
    file = tmp_path / "schedule.json"
    file.write_text(dumps(schedule))
    shown = run("schedule", "show", file)
    converted = run("schedule", "convert", file, tmp_path / "out.json")
    assert (shown.exit_code, converted.exit_code) == (0, 0)
    assert "owned" in shown.stdout
    assert "owned" in converted.stderr
    assert harmless(shown.output + converted.output)


def test_a_stranger_s_model_is_refused_harmlessly(refused, tmp_path, folder):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": SENDABLE, "unet": [SENDABLE, SENDABLE]}))
    assert harmless(refused("generate", "-m", tmp_path, "-p", "fox"))
    tree = dit(1)
    (tmp_path / "schedule.json").write_text(dumps(Schedule.full(tree, 2, model={SENDABLE: SENDABLE})))
    told = refused("generate", "-m", folder, "-p", "fox", "-s", tmp_path / "schedule.json", "--device", "cpu")
    assert harmless(told)

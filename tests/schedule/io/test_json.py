"""Schedules as text: exact round trips, and texts that are no schedules."""

from __future__ import annotations

import json
import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given

from evocache.errors import CodecError, ScheduleError
from evocache.schedule import Component, Provenance, Schedule, Tree, dumps, forecast, load, loads, save, uniform
from evocache.schedule.io import strict_json
from tests.schedule.strategies import MODEST, dit, grid, schedules, single

ATTN, FF = "transformer/blocks.0.attn1", "transformer/blocks.0.ff"


def example() -> Schedule:
    tree = dit(1)
    orders = grid(tree, "CCCCC", "CCCCC", "CRCRR", "CC1C2")
    gains = np.where(orders == 1, 0.1, -1.5)
    provenance = Provenance("by hand", {"seconds": 0.25, "psnr": 31}, {"why": 'a "test" of ümlauts\n'})
    return Schedule(tree, orders, gains, {"transformer": "Toy"}, provenance)


TEXT = """{
  "format": "evocache.schedule",
  "version": 1,
  "steps": 5,
  "model": {
    "transformer": "Toy"
  },
  "components": [
    {"id": "transformer", "kind": "denoiser"},
    {"id": "transformer/blocks.0", "kind": "block", "block": 0, "parent": "transformer"},
    {"id": "transformer/blocks.0.attn1", "kind": "attention", "block": 0, "parent": "transformer/blocks.0"},
    {"id": "transformer/blocks.0.ff", "kind": "feed_forward", "block": 0, "parent": "transformer/blocks.0"}
  ],
  "actions": {
    "transformer/blocks.0.attn1": "CRCRR",
    "transformer/blocks.0.ff": "CC1C2"
  },
  "gains": {
    "transformer/blocks.0.ff": [0.1, -1.5]
  },
  "provenance": {
    "origin": "by hand",
    "objectives": {"seconds": 0.25, "psnr": 31},
    "notes": {"why": "a \\"test\\" of \\u00fcmlauts\\n"}
  }
}
"""


def test_the_text_of_version_1_is_pinned():
    assert dumps(example()) == TEXT
    schedule = loads(TEXT)
    assert schedule == example()
    assert schedule.tree == example().tree
    assert (schedule.model, schedule.provenance) == (example().model, example().provenance)


@MODEST
@given(schedules())
def test_round_trip_is_exact(schedule):
    again = loads(dumps(schedule))
    assert again.digest == schedule.digest
    assert again.tree == schedule.tree
    assert again.orders.tobytes() == schedule.orders.tobytes()
    assert again.gains.tobytes() == schedule.gains.tobytes()
    assert dumps(again) == dumps(schedule)


def test_gains_keep_every_bit():
    for gain in (0.1, 1 / 3, 5e-324, -1.7976931348623157e308, math.pi):
        assert loads(dumps(uniform(dit(1), 4, [FF], [0, 1], forecast(1, gain)))).action(2, FF) == (1, gain)


def test_readers_come_back():
    assert loads(dumps(Schedule.full(single(), 2))).tree == single()


def test_what_can_be_left_out():
    document = json.loads(dumps(uniform(dit(1), 4, [FF], [0, 1], forecast())))
    assert "gains" not in document
    assert document["actions"] == {FF: "CC11"}
    assert json.loads(dumps(Schedule.full(dit(1), 4)))["actions"] == {}
    document["provenance"] = {}
    assert loads(json.dumps(document)).provenance == Provenance()
    assert loads(b"\xef\xbb\xbf" + json.dumps(document).encode()) == loads(json.dumps(document))


def test_one_cell_is_one_line():
    one, other = (dumps(uniform(dit(3), 8, [FF, ATTN], computed)) for computed in ([0, 4], [0, 5]))
    assert sum(a != b for a, b in zip(one.splitlines(), other.splitlines(), strict=True)) == 2


def change(path: str, value: object) -> str:
    """The example's text with one value replaced; the path's last key may be new, and `...` deletes it."""
    document = json.loads(TEXT)
    *keys, last = path.split(" ")
    at = document
    for key in keys:
        at = at[int(key) if isinstance(at, list) else key]
    at_list = isinstance(at, list)
    if value is ...:
        del at[int(last) if at_list else last]
    else:
        at[int(last) if at_list else last] = value
    return json.dumps(document)


DENOISER = {"id": "transformer", "kind": "denoiser"}

HOSTILE = [
    ("", "no JSON", ""),
    (TEXT[:200], "no JSON", "JSON"),
    (TEXT[:-3], "no JSON", "JSON"),
    (TEXT + "}", "no JSON", "JSON"),
    ("[]", "[] for the document", "an object"),
    ("null", "None for the document", "an object"),
    ('"x"', "'x' for the document", "an object"),
    ("3", "3 for the document", "an object"),
    ("{}", "JSON without a format", "evocache.schedule"),
    (change("format", "other"), "'other'", "evocache.schedule"),
    (change("format", 1), "1", "evocache.schedule"),
    (change("version", ...), "None for version", "whole number"),
    (change("version", 3), "format version 3", "at most 2"),
    (change("version", 0), "0 for version", "1.."),
    (change("version", True), "True for version", "whole number"),
    (change("version", 1.0), "1.0 for version", "whole number"),
    (change("version", "1"), "'1' for version", "whole number"),
    (change("extra", 1), "unknown key 'extra' in the document", "steps"),
    (change("steps", ...), "the document without steps", "steps"),
    (change("actions", ...), "the document without actions", "actions"),
    (change("steps", 0), "0 for steps", "1.."),
    (change("steps", -5), "-5 for steps", "1.."),
    (change("steps", 5.0), "5.0 for steps", "whole number"),
    (change("steps", True), "True for steps", "whole number"),
    (change("steps", None), "None for steps", "whole number"),
    (change("steps", 10**12), "1000000000000 for steps", "..10000"),
    (change("steps", 4), "5 letters for the actions", "4"),
    (change("model", []), "[] for model", "an object"),
    (change("model", {"transformer": 1}), "1 for model 'transformer'", "a string"),
    (change("components", {}), "{} for components", "a list"),
    (change("components", []), "0 components", "1 to"),
    (change("components", [DENOISER] * 20_001), "20001 components", "1 to 20000"),
    (change("components 0", []), "[] for component 0", "an object"),
    (change("components 0", None), "None for component 0", "an object"),
    (change("components 0 id", ...), "component 0 without id", "kind"),
    (change("components 0 id", 7), "7 for the id of component 0", "a string"),
    (change("components 0 id", ""), "'' for the id of component 0", "printable"),
    (change("components 0 id", "a\nb"), r"'a\nb' for the id of component 0", "printable"),
    (change("components 0 id", "a" * 257), "for the id of component 0", "256"),
    (change("components 0 id", "\ud800"), r"'\ud800' for the id of component 0", "surrogate"),
    (change("components 0 kind", "layer"), "kind 'layer'", "denoiser"),
    (change("components 0 kind", None), "None for the kind of component 0", "a string"),
    (change("components 0 parent", None), "None for the parent of component 0", "a string"),
    (change("components 0 color", "red"), "unknown key 'color' in component 0", "readers"),
    (change("components 1 block", True), "True for the block of component 1", "whole number"),
    (change("components 1 block", -1), "-1 for the block of component 1", "0.."),
    (change("components 1 parent", "vae"), "parent 'vae'", "earlier"),
    (change("components 1 id", "transformer"), "component 'transformer' twice", "unique"),
    (change("components 2 readers", "ff"), "'ff' for readers of component 2", "a list"),
    (change("components 2 readers", [3]), "3 for a reader of component 2", "a string"),
    (change("components 2 readers", ["nobody"]), "reader 'nobody'", "listed"),
    (change("components 2 readers", [ATTN]), f"{ATTN} is read by itself", "readers"),
    (change("actions", []), "[] for actions", "an object"),
    (change("actions vae", "CCCCC"), "'vae' in actions", "listed component"),
    (change(f"actions {FF}", "CCCC"), "4 letters for the actions", "5"),
    (change(f"actions {FF}", "CCCCXY"), "6 letters for the actions", "5"),
    (change(f"actions {FF}", "CXcC4"), "'4', 'X', 'c' in the actions", "C, R, 1, 2, 3"),
    (change(f"actions {FF}", [1, 2, 3, 4, 5]), "[1, 2, 3, 4, 5] for the actions", "a string"),
    (change(f"actions {FF}", None), "None for the actions", "a string"),
    (change("gains", [0.1]), "[0.1] for gains", "an object"),
    (change("gains vae", [0.1]), "'vae' in gains", "listed component"),
    (change(f"gains {ATTN}", [0.1]), "1 numbers for the gains", "0, one for each forecast"),
    (change(f"gains {FF}", [0.1]), "1 numbers for the gains", "2, one for each forecast"),
    (change(f"gains {FF}", [0.1, 0.2, 0.3]), "3 numbers for the gains", "2, one for each forecast"),
    (change(f"gains {FF}", 0.1), "0.1 for the gains", "a list"),
    (change(f"gains {FF}", [0.1, True]), "True for the gains", "a number"),
    (change(f"gains {FF}", [0.1, "1"]), "'1' for the gains", "a number"),
    (change(f"gains {FF}", [0.1, None]), "None for the gains", "a number"),
    (change(f"gains {FF}", [0.1, 10**400]), "0 for the gains", "a finite number"),
    (change(f"gains {FF}", [0.1, math.nan]), "NaN", "finite"),
    (change(f"gains {FF}", [0.1, -math.inf]), "-Infinity", "finite"),
    (TEXT.replace("-1.5", "1e999"), "inf for the gains", "a finite number"),
    (TEXT.replace("-1.5", "9" * 5000), "cannot be read", "plain JSON"),
    (change("provenance", []), "[] for provenance", "an object"),
    (change("provenance author", "me"), "unknown key 'author' in provenance", "origin"),
    (change("provenance origin", None), "None for origin", "a string"),
    (change("provenance origin", "\udfff"), r"'\udfff' for origin", "surrogate"),
    (change("provenance objectives seconds", "1"), "'1' for objective 'seconds'", "a number"),
    (change("provenance objectives seconds", False), "False for objective 'seconds'", "a number"),
    (change("provenance notes why", 1), "1 for note 'why'", "a string"),
    (TEXT.replace('"version": 1', '"version": 1, "version": 1'), "the key 'version' twice", "every key once"),
    (TEXT.replace('"CRCRR"', f'"CRCRR", "{ATTN}": "CCCCC"'), f"the key '{ATTN}' twice", "every key once"),
    ("[" * 100_000, "nested over 16 deep", "less"),
    ('{"a":' * 100_000, "nested over 16 deep", "less"),
    (change("provenance notes", json.loads("[" * 20 + "]" * 20)), "nested over 16 deep", "less"),
    ("[" + "{}," * 500_001, "more than 500000 objects", "fewer"),
    ("]" * 100, "no JSON", "JSON"),
    ('"' + '\\"' * 100_000, "no JSON", "JSON"),
    ('"' * 100_001, "no JSON", "JSON"),
    ("\x00\x00", "no JSON", "JSON"),
    (b"\xff\xfe{\x00}\x00", "not UTF-8", "UTF-8"),
    (TEXT.encode("utf-16"), "not UTF-8", "UTF-8"),
    (b"PK\x03\x04\x00\x00\xff", "not UTF-8", "UTF-8"),
    (" " * (strict_json.MAX_BYTES + 1), "more than 33554432 characters", "less"),
    (3, "int", "str or bytes"),
    (None, "NoneType", "str or bytes"),
]


@pytest.mark.parametrize(("text", "given", "expected"), HOSTILE, ids=[h[1][:40] for h in HOSTILE])
def test_what_is_no_schedule_is_refused(text, given, expected):
    with pytest.raises(CodecError) as caught:
        loads(text)
    assert given in caught.value.given
    assert expected in caught.value.expected
    assert caught.value.mend
    assert len(str(caught.value)) < 600


def test_newer_versions_ask_for_an_upgrade():
    with pytest.raises(CodecError) as caught:
        loads(change("version", 7))
    assert caught.value.mend == "upgrade evocache"


def test_strings_may_hold_what_looks_like_structure():
    text = change("provenance notes why", "[" * 50 + '"{' * 50 + "\\" * 3)
    assert loads(text).provenance.notes["why"] == "[" * 50 + '"{' * 50 + "\\" * 3


def test_many_cells_are_refused_before_they_are_made():
    components = [
        DENOISER,
        *({"id": str(i), "kind": "block", "block": i, "parent": "transformer"} for i in range(2000)),
    ]
    text = json.dumps({**json.loads(TEXT), "components": components, "steps": 9999, "actions": {}, "gains": {}})
    with pytest.raises(CodecError, match="20007999 cells"):
        loads(text)


def test_towers_of_components_are_refused():
    components = [{"id": str(i), "kind": "block", **({"parent": str(i - 1)} if i else {})} for i in range(65)]
    text = json.dumps({**json.loads(TEXT), "components": components, "actions": {}, "gains": {}})
    with pytest.raises(CodecError, match="65 levels deep"):
        loads(text)


def test_hostile_texts_do_not_take_long():
    start = time.perf_counter()
    for text in ('"' + '\\"' * 2_000_000, '"' * 2_000_001, "{" * 2_000_000, "\\" * 2_000_000, '{"' * 1_000_000):
        with pytest.raises(CodecError):
            loads(text)
    assert time.perf_counter() - start < 5


def test_reuse_at_the_first_step_names_component_and_mend():
    with pytest.raises(ScheduleError) as caught:
        loads(change(f"actions {ATTN}", "RRCRR"))
    assert caught.value.given == f"{ATTN} is reused at step 0, before it was computed"
    assert "repaired" in caught.value.mend


@pytest.mark.parametrize(
    ("schedule", "given"),
    [
        (example().with_provenance(objectives={"psnr": math.inf}), "inf for objective 'psnr'"),
        (example().with_provenance(objectives={"psnr": "high"}), "'high' for objective 'psnr'"),
        (example().with_provenance(notes={"n": 1}), "1 for note 'n'"),
        (example().with_provenance("\ud800"), r"'\ud800' for origin"),
        (Schedule.full(Tree((Component("a\nb", "denoiser"),)), 2), r"'a\nb' for the id of component 0"),
        (Schedule.full(dit(1), 10_001), "10001 for steps"),
    ],
)
def test_what_could_not_be_read_is_not_written(schedule, given, tmp_path):
    with pytest.raises(CodecError) as caught:
        save(schedule, tmp_path / "schedule.json")
    assert caught.value.given == given
    assert list(tmp_path.iterdir()) == []


def test_numpy_numbers_are_written_as_numbers():
    schedule = example().with_provenance(objectives={"a": np.float32(0.5), "b": np.int64(3)})
    assert loads(dumps(schedule)).provenance.objectives == {"a": 0.5, "b": 3.0}


def test_files_come_back(tmp_path):
    path = tmp_path / "schedule.json"
    save(example(), path)
    save(example(), str(path))
    assert load(path) == load(str(path)) == example()
    assert path.read_bytes() == TEXT.encode()
    assert [p.name for p in tmp_path.iterdir()] == ["schedule.json"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    path, stop, seen = tmp_path / "schedule.json", threading.Event(), []
    small, large = Schedule.full(dit(1), 2), Schedule.full(dit(40), 2)
    save(small, path)

    def read() -> None:
        while not stop.is_set():
            seen.append(len(load(path).tree))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        save(large, path)
        save(small, path)
    stop.set()
    reader.join()
    assert seen
    assert set(seen) <= {4, 121}


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "schedule.json"
    save(example(), path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evocache.schedule.io.strict_json.os.replace", fail)
    with pytest.raises(CodecError, match="No space left on device"):
        save(Schedule.full(dit(1), 2), path)
    assert path.read_text() == TEXT
    assert [p.name for p in tmp_path.iterdir()] == ["schedule.json"]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("missing.json", "No such file"),
        ("", "directory"),
        ("no/such/folder.json", "No such file"),
        ("a\0b", "null byte"),
    ],
)
def test_paths_that_cannot_be_read(name, given, tmp_path):
    with pytest.raises(CodecError, match=given) as caught:
        load(f"{tmp_path}/{name}")
    assert caught.value.mend == "check the path"


@pytest.mark.parametrize("name", ["", "no/such/folder.json"])
def test_paths_that_cannot_be_written(name, tmp_path):
    with pytest.raises(CodecError):
        save(example(), f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(change("version", 3))
    with pytest.raises(CodecError, match=r"format version 3, in '.*bad\.json'"):
        load(path)
    path.write_text(change(f"actions {ATTN}", "RRCRR"))
    with pytest.raises(ScheduleError, match=r"before it was computed, in '.*bad\.json'"):
        load(path)


def test_a_file_is_read_only_up_to_the_limit(tmp_path):
    path = tmp_path / "sparse.json"
    with open(path, "wb") as file:
        file.truncate(1 << 36)
    with pytest.raises(CodecError, match="more than 33554432 characters"):
        load(path)

"""Events: what they may hold, and lines of JSON that old versions wrote."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import RecordError
from evocache.usage.records.event import KINDS, VERSION, Event
from evocache.usage.records.privacy import checked, reduce
from evocache.usage.records.sql.varint import pack, unpack
from tests.usage.records.events import event, full, many

OLD = Path(__file__).parent / "old" / "version-1.jsonl"

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
seconds = st.floats(0, 1e6)
events = st.builds(
    Event,
    time=st.floats(0, 4e9),
    tenant=words,
    key=st.binary(max_size=32),
    kind=st.sampled_from(KINDS),
    owner=st.binary(max_size=32),
    group=st.binary(max_size=32),
    context=words,
    tier=words,
    seconds=st.dictionaries(words, seconds, max_size=4),
    size=st.integers(0, 2**40),
    saved=seconds,
    policy=words,
    features=st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=8).map(tuple),
    seeded=st.booleans(),
    quality=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    text=st.none() | words,
)


@given(events)
def test_a_line_gives_its_event_back(one):
    line = one.to_json()
    assert "\n" not in line
    again = Event.from_json(line)
    # an empty text and none are the same in a line
    assert (again, again.to_json()) == (one if one.text else reduce(one, "digest"), line)


def test_lines_of_version_1_are_read_as_they_were_meant():
    """Lines that version 1 wrote; they must be read for ever."""
    first, second, third = map(Event.from_json, OLD.read_text(encoding="utf-8").splitlines())
    assert first == Event(1764451200.5, "acme", bytes.fromhex("6b3c0f6e2a915d44"), "miss")
    assert second == Event(
        1764451201.25,
        "acme",
        bytes.fromhex("6b3c0f6e2a915d44"),
        "hit",
        owner=bytes.fromhex("00ff10ab99c0ffee"),
        group=bytes.fromhex("1122334455667788"),
        context="zoo:emoji/2.5/20",
        tier="memory",
        seconds={"wait": 0.002, "load": 0.000125},
        size=1728,
        saved=0.81,
        policy="learned",
        features=(3, -1, 12),
        seeded=True,
        quality=47.5,
        text="여우 a fox",
    )
    assert (third.kind, third.tenant, third.key) == ("shed", "", b"")


def test_version_1_is_what_is_written_now():
    lines = OLD.read_text(encoding="utf-8").splitlines()
    assert VERSION == 1
    assert [json.loads(Event.from_json(line).to_json()) for line in lines] == [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ('{"v":2,"time":1,"tenant":"","key":"","kind":"hit"}', "version 2"),
        ('{"v":true,"time":1,"tenant":"","key":"","kind":"hit"}', "version True"),
        ('{"time":1,"tenant":"","key":"","kind":"hit"}', "version None"),
        ('{"v":1,"time":1,"tenant":"","key":"","kind":"hit","prompt":"x"}', "'prompt'"),
        ('{"v":1,"time":1,"tenant":"","kind":"hit"}', "fields"),
        ('{"v":1,"time":1,"tenant":"","key":"xyz","kind":"hit"}', "'xyz'"),
        ('{"v":1,"time":1,"tenant":"","key":5,"kind":"hit"}', "digests 5"),
        ('{"v":1,"time":1,"tenant":"","key":"","kind":"gone"}', "'gone'"),
        ('{"v":1,"time":1,"tenant":"","key":"","kind":["hit"]}', "kind"),
        ("[1]", "line"),
        ("{", "line"),
        ("[" * 100_000, "line"),
    ],
)
def test_what_is_no_event_is_refused(line, given):
    with pytest.raises(RecordError) as error:
        Event.from_json(line)
    assert given in error.value.given


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": -1.0},
        {"time": float("nan")},
        {"time": True},
        {"time": 1e300},
        {"tenant": 5},
        {"tenant": "x" * 129},
        {"context": "a\0b"},
        {"policy": "\ud800"},
        {"owner": "alice"},
        {"key": b"x" * 65},
        {"seconds": {"wait": -1}},
        {"seconds": {"wait": float("inf")}},
        {"seconds": {5: 1.0}},
        {"seconds": [("wait", 1.0)]},
        {"seconds": {str(n): 1.0 for n in range(17)}},
        {"size": -1},
        {"size": 1.5},
        {"saved": -0.1},
        {"features": [1]},
        {"features": (1.5,)},
        {"features": (2**31,)},
        {"seeded": 1},
        {"quality": float("nan")},
        {"text": "x" * 100_001},
        {"text": "\0"},
        {"text": b"fox"},
    ],
    ids=str,
)
def test_wrong_values_are_refused(wrong: dict[str, Any]):
    with pytest.raises(RecordError) as error:
        event(**wrong)
    assert error.value.mend


def test_texts_do_not_appear_in_messages():
    with pytest.raises(RecordError) as error:
        event(text="my secret \0")
    assert "secret" not in str(error.value)


def test_times_are_whole_microseconds():
    one = event(1764451200.1234567, seconds={"wait": 0.00000149, "compute": 0.1}, saved=1 / 3)
    assert (one.time, one.seconds["wait"], one.saved) == (1764451200.123457, 0.000001, 0.333333)
    assert one.took == 0.100001


def test_an_event_does_not_change_with_what_it_was_made_of():
    stages = {"wait": 1.0}
    one = event(seconds=stages)
    stages["wait"] = 2.0
    assert one.seconds == {"wait": 1.0}
    with pytest.raises(AttributeError):
        one.time = 5  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(full())) == full()
    assert len({*many(5), *many(5)}) == 5


def test_privacy_takes_away_what_may_not_be_kept():
    whole = full()
    assert reduce(whole, "text") is whole
    digests, figures = reduce(whole, "digest"), reduce(whole, "none")
    assert (digests.text, digests.owner, digests.key) == (None, whole.owner, whole.key)
    assert (figures.text, figures.owner, figures.key, figures.group) == (None, b"", b"", b"")
    assert (figures.time, figures.kind, figures.seconds) == (whole.time, whole.kind, whole.seconds)
    bare = event()
    assert reduce(bare, "digest") is bare
    with pytest.raises(RecordError, match="privacy 'all'"):
        checked("all")


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_packed_numbers_are_given_back(numbers):
    packed = pack(numbers)
    assert unpack(packed) == numbers
    assert len(packed) <= 10 * len(numbers)


def test_small_numbers_take_a_byte():
    assert len(pack(range(-64, 64))) == 128
    with pytest.raises(RecordError, match="damaged"):
        unpack(pack([1000])[:1])

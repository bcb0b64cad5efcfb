"""No text of a question is written anywhere unless its user opted in; then the question is there to be read."""

from __future__ import annotations

import asyncio
import logging
import warnings

import numpy as np
import pytest

from evocache import LearningCache, cached
from evocache.errors import EvocacheWarning, RecordError
from evocache.usage.cache.event_log import spell, text_of
from evocache.usage.cache.names import Encoded
from evocache.usage.records.memory import MemoryStore
from evocache.usage.records.open_store import open_store
from evocache.usage.records.recorder import Recorder

SETTINGS = {"secret": b"s" * 32, "upkeep": False}

SECRETS = ("secret question", "ada lovelace", "secret group")


def ask(folder, **settings):
    """Ask in every way: a hit, a miss, a failure, a tier's answer, a stale one, a function, a coroutine, tenants."""
    now = [0.0]
    shared = {"disk": folder / "disk", "records": folder / "records.db", "ttl": 10, "stale": 1000}
    shared |= {"clock": lambda: now[0], "codecs": ("json",), **SETTINGS, **settings}
    for _ in range(2):
        with LearningCache("1MB", speculate="repeat", **shared) as held:
            for _ in range(2):
                held.get_or_compute("secret question", lambda: 1, owner="ada lovelace", group="secret group")
                held.get_or_compute(("secret question", 2), lambda: 1, owner="ada lovelace")
            with pytest.raises(ZeroDivisionError):
                held.get_or_compute("a failing secret question", lambda: 1 / 0, owner="ada lovelace")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", EvocacheWarning)
                held.get_or_compute("a complex secret question", lambda: 1j, owner="ada lovelace")
            now[0] += 50.0
            held.get_or_compute("secret question", lambda: 2, owner="ada lovelace")

    @cached(owner="user", tenant="firm", tenants=2, **shared)
    def report(user, text, *, firm="acme"):
        return 1

    @cached(owner="user", **shared)
    async def fetch(user, text):
        return 1

    for _ in range(2):
        report("ada lovelace", "secret question")
        asyncio.run(fetch("ada lovelace", "secret question"))
    for made in (report, fetch):
        made.cache.close()


def written(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("settings", [{}, {"privacy": "digest"}, {"privacy": "none"}])
def test_no_text_is_written_unless_it_is_asked_for(tmp_path, settings, caplog, capfd):
    pytest.importorskip("sqlalchemy", reason="records need the extra [usage]")
    with caplog.at_level(logging.DEBUG):
        ask(tmp_path, **settings)
    said = written(tmp_path) + caplog.text.encode() + "".join(capfd.readouterr()).encode()
    assert b"SQLite format 3" in said
    for secret in SECRETS:
        for form in (secret, secret.encode("utf-16-le").decode("latin-1"), secret.encode().hex()):
            assert form.encode("latin-1") not in said
    with open_store(tmp_path / "records.db", privacy="text") as store:
        events = list(store.read())
    assert len(events) >= 12
    assert {event.text for event in events} == {None}
    kept = settings.get("privacy") != "none"
    assert any(event.owner for event in events) == any(event.key for event in events) == kept


def test_texts_are_recorded_where_that_was_asked_for(tmp_path):
    pytest.importorskip("sqlalchemy", reason="records need the extra [usage]")
    ask(tmp_path, privacy="text")
    with open_store(tmp_path / "records.db", privacy="text") as store:
        texts = {event.text for event in store.read()}
    assert {"secret question", "('secret question', 2)", "a failing secret question"} <= texts
    assert any(text.endswith("report(user='ada lovelace', text='secret question', firm='acme')") for text in texts)
    assert any(text.endswith("fetch(user='ada lovelace', text='secret question')") for text in texts)
    assert None not in texts


@pytest.mark.parametrize("asked", ["text", "digest", "none"])
@pytest.mark.parametrize("kept", ["text", "digest", "none"])
def test_of_a_recorder_that_is_given_and_a_cache_the_stricter_decides(asked, kept):
    store = MemoryStore(privacy=kept)
    recorder = Recorder(lambda: store, threaded=False)
    with LearningCache("1MB", records=recorder, privacy=asked, **SETTINGS) as held:
        held.get_or_compute("q", lambda: 1, owner="ada")
    (event,) = store.read()
    assert (event.text == "q") == (asked == kept == "text")
    assert bool(event.owner) == ("none" not in (asked, kept))
    recorder.close()


def test_a_recorder_that_is_given_serves_others_after_a_cache_is_closed():
    store = MemoryStore()
    recorder = Recorder(lambda: store, threaded=False)
    for _ in range(2):
        with LearningCache("1MB", records=recorder, **SETTINGS) as held:
            held.get_or_compute("q", lambda: 1)
    assert store.count() == 2
    recorder.close()


def test_a_privacy_that_is_none_is_refused():
    with pytest.raises(RecordError, match="digest"):
        LearningCache("1MB", privacy="texts", **SETTINGS)
    with pytest.raises(RecordError, match="tenant"):
        LearningCache("1MB", records=Recorder(MemoryStore, threaded=False), tenant="t" * 500, **SETTINGS)


def test_an_event_that_is_none_harms_no_request():
    recorder = Recorder(MemoryStore, threaded=False)
    held = LearningCache("1MB", records=recorder, wall=lambda: 1e300, **SETTINGS)
    with pytest.warns(EvocacheWarning, match="not recorded"):
        assert held.get_or_compute("q", lambda: 1) == 1
    assert held.get_or_compute("q", lambda: 2) == 1
    assert held.stats.hits == 1


class Unspeakable:
    def __repr__(self):
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a\0b", "a\ufffdb"),
        ("half \ud800 of one", "half ? of one"),
        ("x" * 200_000, "x" * 100_000),
        (b"bytes", "b'bytes'"),
        (("a", None, 2.5), "('a', None, 2.5)"),
        (Encoded(b"only bytes are known"), None),
    ],
)
def test_a_key_as_a_text_is_one_that_databases_keep(key, text):
    assert text_of(key) == text


def test_whatever_is_given_is_spelled_within_bounds():
    assert "Unspeakable" in spell(Unspeakable())
    assert len(spell(list(range(10**6)))) < 1000
    assert len(spell(np.zeros(10**6))) < 1000
    assert spell(10**10_000)
    assert spell("x" * 9_000) == repr("x" * 9_000)

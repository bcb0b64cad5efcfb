"""What one process forgets does not come back to the disk from another that had begun it before."""

from __future__ import annotations

import threading

import pytest

from evocache import LearningCache
from evocache.usage.tiers import rows


@pytest.fixture
def two(tmp_path):
    """Two caches over one disk, as two processes hold them."""
    settings = {"secret": b"s" * 32, "upkeep": False, "disk": tmp_path}
    with LearningCache("1MB", **settings) as one, LearningCache("1MB", **settings) as other:
        yield one, other


@pytest.mark.parametrize("act", ["invalidate", "clear"])
def test_an_answer_in_flight(two, act):
    one, other = two
    began, go = threading.Event(), threading.Event()

    def work():
        began.set()
        go.wait(20)
        return "old"

    asks = threading.Thread(target=lambda: one.get_or_compute("q", work))
    asks.start()
    began.wait(20)
    getattr(other, act)(*(["q"] if act == "invalidate" else []))
    go.set()
    asks.join()
    one.flush()
    assert other.get_or_compute("q", lambda: "new") == "new"
    other.flush()
    one.clear() if act == "clear" else one.invalidate("q")
    assert one.get_or_compute("q", lambda: "newer") == "newer"
    one.flush()
    assert other.invalidate("q")
    assert other.get_or_compute("q", lambda: "newest") == "newest"


def test_an_answer_that_waits_to_be_written(two):
    one, other = two
    one.get_or_compute("q", lambda: "old")
    other.invalidate("q")
    one.flush()
    assert other.get_or_compute("q", lambda: "new") == "new"


def test_what_is_remembered_of_it_is_bounded(two, monkeypatch):
    monkeypatch.setattr(rows, "MOST_REMEMBERED", 3)
    one, other = two
    other.clear()
    for number in range(8):
        one.get_or_compute(number, lambda: "old")
    for number in range(8):
        other.invalidate(number)
    tier = other._answers.below._tiers[0].tier
    count = tier._database.run(lambda db: db.execute("SELECT count(*) FROM forgotten").fetchone()[0])
    assert count == 4  # one of them is that all were cleared
    one.flush()
    assert [other.get_or_compute(number, lambda: "new") for number in range(8)] == ["old"] * 5 + ["new"] * 3

"""What `benchmarks.usage` measures of faults and of tenants, in short, and that it would tell what it looks for."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.usage.faults.__main__ import begin, summary, text
from benchmarks.usage.faults.kills import Said, compared, kill, look
from benchmarks.usage.faults.place import FILE, Opened, Place, answer, key
from benchmarks.usage.tenants import figures, measure
from evocache.usage.cache.tenants import Tenants


def test_killed_processes_lose_nothing_that_they_said_was_kept():
    found, first = [], 0
    with ExitStack() as stack:
        places = begin(stack)
        for number in range(2):
            now, first = kill(places, first, f"test {number}", wait=True)
            found += now
        left = look([place for place in places if not place.tight], range(first))
    assert [(one.lost, one.wrong, one.litter) for one in found] == [(0, [], [])] * 8
    assert sum(one.said for one in found) > 0
    assert all(one.bytes <= place.max_bytes for one, place in zip(found, 2 * places, strict=True))
    assert [(one["wrong"], one["litter"]) for one in left.values()] == [([], [])] * 2
    assert "disk-full" in text({place.name: summary(place, found) for place in places})


def test_what_is_lost_wrong_or_left_is_told(tmp_path):
    place = Place("here", "disk", str(tmp_path))
    with Opened(place) as opened:
        for number in (0, 1, 3):
            opened.cache.get_or_compute(key(number), lambda n=number: answer(n), owner=f"owner {number % 7}")
        opened.cache.get_or_compute(key(2), lambda: "another answer", owner="owner 2")
    (tmp_path / f"{FILE}.tmp").touch()
    seen = look([place], range(5))["here"]
    assert (seen["answers"], seen["wrong"], seen["litter"]) == ([0, 1, 2, 3], ["answer 2"], [f"file {FILE}.tmp"])
    said = Said({number: 100.0 + number for number in range(5)}, answers=5, records=4)
    told = compared(place, said, seen, first=0, killed=106.0)
    assert (told.said, told.lost, told.oldest_answer, told.oldest_record) == (9, 1, 2.0, 2.0)


def test_a_tenants_outcomes_are_the_same_beside_another():
    times = measure(1, requests=500)
    found = figures([times])
    assert found["outcomes are the same"]
    assert 0 < found["hits"] < found["requests"] == 500
    assert min(times["beside"].wall) > 0


def test_tenants_that_share_a_cache_are_told(monkeypatch):
    of = Tenants.of
    monkeypatch.setattr(Tenants, "of", lambda self, tenant: of(self, "one for all"))
    assert not figures([measure(1, requests=500)])["outcomes are the same"]

"""What is invalidated, cleared or put while an answer is computed is not undone by that answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evocache import LearningCache


def cache(**settings):
    return LearningCache("1MB", **{"secret": b"s" * 32, "upkeep": False, **settings})


def while_computed(held, act, *, owner=None):
    """Do something while an answer is computed; return what the one who asked for it is given."""
    begun, go = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(10)
        return "old"

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(held.get_or_compute, "q", slow, owner=owner)
        assert begun.wait(10)
        act()
        go.set()
        return asked.result(10)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("act", ["invalidate", "clear", "clear owner"])
def test_an_answer_that_was_invalidated_while_it_was_computed_is_not_kept(tmp_path, act, on_disk):
    with cache(disk=tmp_path if on_disk else None) as held:
        acts = {
            "invalidate": lambda: held.invalidate("q"),
            "clear": held.clear,
            "clear owner": lambda: held.clear(owner="ada"),
        }
        assert while_computed(held, acts[act], owner="ada") == "old"
        held.flush()
        assert "q" not in held
        assert held.get_or_compute("q", lambda: "new") == "new"


def test_who_asks_afterwards_does_not_join_it():
    held = cache()

    def act():
        held.invalidate("q")
        assert held.get_or_compute("q", lambda: "new") == "new"

    assert while_computed(held, act) == "old"
    assert held["q"] == "new"


def test_what_was_put_meanwhile_stays():
    held = cache()
    assert while_computed(held, lambda: held.put("q", "put")) == "old"
    assert held["q"] == "put"


def test_other_owners_and_other_keys_are_kept():
    held = cache()
    while_computed(held, lambda: (held.clear(owner="bob"), held.invalidate("other")), owner="ada")
    assert held["q"] == "old"


def test_an_answer_that_is_old_from_the_beginning_takes_no_room():
    held = cache()
    assert held.get_or_compute("q", lambda: 1, ttl=0) == 1
    assert not held.put("p", 1, ttl=0)
    assert len(held) == 0
    assert held.stats.bytes == 0

"""What is removed from a cache is removed from what learns beside it, in whichever way and however late."""

from __future__ import annotations

import pytest

from evocache import LearningCache


def cache(**settings):
    held = LearningCache(10_000, **{"secret": b"s" * 32, "upkeep": False, **settings})
    held._contents.policy.behind = True  # learning waits, as with a thread
    return held


def in_shadows(held, key):
    digest = held._answers.names.id(key)
    return any(digest in shadow.policy for shadow in held._contents.policy.shadows.of.values())


@pytest.mark.parametrize("learned", ["before", "after", "both"])
@pytest.mark.parametrize("act", ["invalidate", "del", "pop", "clear", "clear owner", "ttl"])
def test_shadows_forget_it(act, learned):
    now = [0.0]
    held = cache(clock=lambda: now[0])
    for _ in range(3):
        held.get_or_compute("q", lambda: "x", owner="ada", ttl=10)
        held.get_or_compute("other", lambda: "y", owner="bob")
    if learned != "after":
        held.learn()
        assert in_shadows(held, "q")
        held.get_or_compute("q", lambda: "x", owner="bob")
    if act == "ttl":
        now[0] = 20.0
        held.get_or_compute("q", lambda: "z" * 100_000, owner="ada")  # too large to be held
    else:
        {
            "invalidate": lambda: held.invalidate("q"),
            "del": lambda: held.__delitem__("q"),
            "pop": lambda: held.pop("q"),
            "clear": held.clear,
            "clear owner": lambda: held.clear(owner="ada"),
        }[act]()
    if learned != "before":
        held.learn()
    assert "q" not in held
    assert not in_shadows(held, "q")
    if act != "clear":
        assert held["other"] == "y"


def test_one_that_the_cache_evicted_and_a_shadow_holds_is_forgotten_as_well():
    held = cache(policy="learned")
    for number in range(40):
        held.get_or_compute(f"q{number}", lambda: "x" * 400)
    held.learn()
    gone = [f"q{n}" for n in range(40) if f"q{n}" not in held and in_shadows(held, f"q{n}")]
    assert gone
    for key in gone:
        assert not held.invalidate(key)
        assert not in_shadows(held, key)
    held.clear()
    assert not any(in_shadows(held, f"q{n}") for n in range(40))
    assert held.stats.bytes == 0


def test_hits_before_it_was_removed_are_learned_from():
    held = cache()
    held["q"] = 1
    for _ in range(5):
        held["q"]
    held.invalidate("q")
    assert held.stats.hits == 5
    assert held.stats.dropped == 0
    assert len(held._contents.policy._recent) == 6

"""Calls are computed together where that was measured to pay, and both ways are measured again."""

from __future__ import annotations

from evocache.serve.engine.turns.gains import AGAIN, FIRST, Gains


def turns(gains: Gains, number: int, alone: float, together: float) -> list[bool]:
    """Whether calls went together in each of some turns, which cost so much each way."""
    found = []
    for _ in range(number):
        pays = gains.pays("kind")
        gains.note("kind", 4 if pays else 1, together if pays else alone)
        found.append(pays)
    return found


def test_what_pays_is_done_but_for_trials() -> None:
    found = turns(Gains(), 4 * AGAIN, alone=1.0, together=0.6)
    assert found[:FIRST] == [True] * FIRST
    assert not found[FIRST]
    assert found.count(False) == 1 + 3
    found = turns(Gains(), 4 * AGAIN, alone=1.0, together=1.1)
    assert found[: FIRST + 1] == [True] * FIRST + [False]
    assert found[FIRST + 1 :].count(True) == 3


def test_what_changes_is_noticed() -> None:
    gains = Gains()
    turns(gains, 2 * AGAIN, alone=1.0, together=1.1)
    found = turns(gains, 40 * AGAIN, alone=1.0, together=0.5)
    assert found[-AGAIN:].count(True) >= AGAIN - 1


def test_kinds_are_told_apart_and_unknown_ones_go_together() -> None:
    gains = Gains()
    turns(gains, FIRST + 2, alone=1.0, together=2.0)
    assert not gains.pays("kind")
    assert gains.pays("another")

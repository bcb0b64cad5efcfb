"""Who begins next."""

from __future__ import annotations

from collections import Counter

from evocache.serve.engine.turns.admission import OVERTAKEN, Asked, choose, line


def numbers(*asked: Asked, **open: int) -> list[int]:
    return [one.number for one in line(asked, Counter(open))]


def test_users_with_fewer_open_jobs_begin_first_then_who_came_first() -> None:
    asked = [Asked(0, "a"), Asked(1, "a"), Asked(2, "b")]
    assert numbers(*asked) == [0, 1, 2]
    assert numbers(*asked, a=1) == [2, 0, 1]
    assert numbers(*asked, a=1, b=1) == [0, 1, 2]


def test_a_deadline_that_is_near_goes_first() -> None:
    near, nearer = Asked(1, "a", usual=2.0, slack=3.0), Asked(2, "b", usual=2.0, slack=2.0)
    assert numbers(Asked(0, "a"), near, nearer, a=5, b=9) == [2, 1, 0]
    assert numbers(Asked(0, "a"), near._replace(slack=-1.0)) == [0, 1]
    assert numbers(Asked(0, "a"), near._replace(slack=9.0)) == [0, 1]


def test_who_does_not_fit_is_overtaken_so_often_and_no_more() -> None:
    """A large job, and small ones that never end to come: each takes two turns, so that there is never room enough."""
    room, large, number = 4, 4, 1
    waiting = {0: 0}  # times overtaken, by number
    open = [99]
    began: list[int] = []
    while 0 not in began:
        while len(waiting) < 4:
            waiting[number] = 0
            number += 1
        asked = [Asked(one, "", overtaken) for one, overtaken in waiting.items()]
        free = room - len(open)
        found, passed = choose(line(asked, Counter()), lambda one, free=free: (1 if one.number else large) <= free)
        for one in passed:
            waiting[one.number] += 1
        if found is None:
            assert open  # else it would wait for ever
            open.pop(0)
            continue
        began.append(found.number)
        open.append(found.number)
        del waiting[found.number]
    assert len(began) == OVERTAKEN + 1
    assert began[0] == 1  # smaller ones were not held up meanwhile

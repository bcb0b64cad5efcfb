"""A queue holds, gives and forgets as an `OrderedDict` does."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.usage.policies.queue import Queue

steps = st.lists(st.tuples(st.sampled_from(["put", "pop", "oldest"]), st.integers(0, 12)), max_size=300)


@given(steps)
def test_it_does_as_an_ordered_dict(asked):
    queue, plain = Queue(), OrderedDict()
    for number, (what, key) in enumerate(asked):
        if what == "put" and key not in plain:
            queue.put(key, number + 1)
            plain[key] = number + 1
        elif what == "pop":
            assert queue.pop(key) == plain.pop(key, None)
        elif what == "oldest" and plain:
            assert queue.pop_oldest() == plain.popitem(last=False)
        assert list(queue.items()) == list(plain.items())
        assert len(queue) == len(plain)
        assert (key in queue, queue.get(key)) == (key in plain, plain.get(key))


def test_an_empty_queue_has_no_oldest():
    queue = Queue()
    queue.put(1, "one")
    queue.pop(1)
    with pytest.raises(IndexError):
        queue.pop_oldest()


def test_places_of_what_was_taken_out_do_not_pile_up():
    queue = Queue()
    for number in range(10_000):
        queue.put(number % 50, "x")
        queue.pop(number % 50)
    assert len(queue._row) <= 64
    assert len(queue._void) <= 64

"""What every policy of the registry promises, whatever it is asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.usage.learn.policies import ALL
from evocache.usage.learn.policies import policy_of as policy
from evocache.usage.policies.policy import Item

NAMES = tuple(ALL)

ROOM = 40

keys = st.integers(0, 30) | st.sampled_from([2**63 - 1, 2**64 - 1])
steps = st.one_of(
    st.tuples(st.just("ask"), keys, st.integers(1, 12), st.integers(0, 3)),
    st.tuples(st.just("ask"), keys, st.integers(1, 12), st.integers(0, 3)),
    st.tuples(st.just("ask"), keys, st.just(ROOM + 1), st.just(1)),
    st.tuples(st.just("remove"), keys),
    st.tuples(st.just("evict"), keys),
    st.tuples(st.just("resize"), st.integers(0, ROOM)),
    st.tuples(st.just("late hit"), keys),
    st.tuples(st.just("wait"), st.integers(1, 10**9)),
)


class Player:
    """Plays steps on a policy, and holds it against a plain account of what came in and what left."""

    def __init__(self, name, seed=0):
        self.policy, self.held, self.now, self.said = policy(name, ROOM, seed), {}, 0, []

    def play(self, step):
        what, *given = step
        self.now += given[0] if what == "wait" else 1
        {"ask": self.ask, "resize": self.resize, "remove": self.leave, "evict": self.leave}.get(what, self.other)(step)
        self.check()

    def ask(self, step):
        _, key, size, seconds = step
        if key in self.policy:
            self.policy.hit(key, self.now, key % 3)
            return
        item = Item(key, size, seconds, key % 3, key % 5)
        gone = self.policy.add(item, self.now)
        self.said.append(gone)
        assert len(set(gone)) == len(gone)
        assert size <= self.policy.max_bytes or gone == [key]
        self.held[key] = item
        for left in gone:
            del self.held[left]

    def resize(self, step):
        gone = self.policy.resize(step[1], self.now)
        self.said.append(gone)
        assert self.policy.max_bytes == step[1]
        for left in gone:
            del self.held[left]

    def leave(self, step):
        getattr(self.policy, step[0])(step[1])
        self.held.pop(step[1], None)

    def other(self, step):
        if step[0] == "late hit" and step[1] not in self.policy:
            self.policy.hit(step[1], self.now)

    def check(self):
        assert {item.key: item for item in self.policy.items()} == self.held
        assert len([*self.policy.items()]) == len(self.policy) == len(self.held)
        assert all(key in self.policy for key in self.held)
        assert "a" not in self.policy
        assert self.policy.bytes == sum(item.size for item in self.held.values()) <= self.policy.max_bytes


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(steps, max_size=60), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_contract_holds(name, played, seed):
    first, second = Player(name, seed), Player(name, seed)
    for step in played:
        first.play(step)
        second.play(step)
    assert first.said == second.said  # of one seed, one decision


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_kept_where_there_is_no_room(name):
    held = policy(name, 0)
    assert held.add(Item(1, 1), 1) == [1]
    assert (len(held), held.bytes) == (0, 0)


@pytest.mark.parametrize("name", NAMES)
def test_all_is_kept_while_there_is_room(name):
    held = policy(name, 100)
    assert [held.add(Item(key, 1), key + 1) for key in range(100)] == [[]] * 100
    assert (len(held), held.bytes) == (100, 100)


@pytest.mark.parametrize("name", NAMES)
def test_room_that_grows_is_used(name):
    held = policy(name, 10)
    for key in range(20):
        held.add(Item(key, 1), key + 1)
    assert held.resize(20, 21) == []
    free = 20 - held.bytes
    assert free >= 10
    assert [held.add(Item(100 + key, 1), 22 + key) for key in range(free)] == [[]] * free


@pytest.mark.parametrize("name", NAMES)
def test_those_that_items_yields_first_leave_first(name):
    held = policy(name, 100)
    for now in range(1, 400):
        key = now * now % 89 if now % 3 else now % 7
        held.hit(key, now) if key in held else held.add(Item(key, 2, 1 + key % 4), now)
    order = [item.key for item in held.items()]
    gone = held.resize(held.bytes - 10, 400)
    assert gone == order[:5]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_used_for_long_grows_no_larger_than_what_is_held(name):
    """Entries that are added and withdrawn over and over leave nothing behind."""
    held = policy(name, 100)
    for now in range(1, 5000):
        held.add(Item(now % 10, 1), now)
        held.remove(now % 10)
    sizes = {k: len(v) for k, v in vars(held).items() if hasattr(v, "__len__")}
    assert (len(held), held.bytes) == (0, 0)
    assert all(size < 200 for k, size in sizes.items() if "sketch" not in k and k != "_recent")


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_says_what_it_is(name):
    held = policy(name, 100)
    assert held.name == name
    assert held.summary
    assert any(year in held.paper for year in map(str, range(1966, 2030)))


@pytest.mark.parametrize("name", ["lru", "fifo", "lfu", "sieve", "s3fifo", "wtinylfu", "gdsf", "lcbfu"])
@given(st.lists(st.integers(0, 9), max_size=50), st.lists(st.integers(0, 9), max_size=50))
@settings(max_examples=60, deadline=None)
def test_what_is_withdrawn_is_forgotten(name, before, after):
    """A policy from which all was withdrawn decides as a new one: no count and no ghost is left."""
    used, new = Player(name), Player(name)
    for key in before:
        used.play(("ask", key, 8, key % 3))
    for key in range(10):
        used.play(("remove", key))
    used.said.clear()
    for key in after:
        for player in (used, new):
            player.play(("ask", key, 8, key % 3))
    assert used.said == new.said

"""Short sequences that were worked by hand from each paper."""

import pytest

from evocache.usage.policies.policy import Item
from evocache.usage.policies.registry import policy


def play(name, room, asked, sizes=None, seconds=None):
    """Ask for letters in turn; return what leaves at each request, `*` for a hit."""
    held, said = policy(name, room), []
    for now, letter in enumerate(asked, 1):
        key = ord(letter)
        if key in held:
            held.hit(key, now)
            said.append("*")
        else:
            item = Item(key, (sizes or {}).get(letter, 1), (seconds or {}).get(letter, 1.0))
            said.append("".join(map(chr, held.add(item, now))))
    return held, said


def order(held):
    return "".join(chr(item.key) for item in held.items())


def test_lru():
    held, said = play("lru", 3, "abcadbe")
    assert said == ["", "", "", "*", "b", "c", "a"]
    assert order(held) == "dbe"


def test_fifo():
    held, said = play("fifo", 3, "abcadae")
    assert said == ["", "", "", "*", "a", "b", "c"]
    assert order(held) == "dae"


def test_several_leave_for_a_large_one():
    _, said = play("fifo", 6, "abcD", sizes={"a": 1, "b": 2, "c": 3, "D": 4})
    assert said == ["", "", "", "abc"]


def test_lfu():
    # counts: a 2, b 2, c 1; d: c leaves; e: d leaves (one use); a, then f: e leaves; b (2 uses) outlives all of one use
    held, said = play("lfu", 3, "abcabdeaf")
    assert said == ["", "", "", "*", "*", "c", "d", "*", "e"]
    assert order(held) == "fba"


def test_lfu_evicts_the_least_recently_used_of_equal_counts():
    _, said = play("lfu", 3, "abcbcad")  # each twice, b longest ago
    assert said[-1] == "b"


def test_lfu_forgets_the_count_of_what_left():
    _, said = play("lfu", 2, "aaabbbbcacd")
    # a 3, b 4; c evicts a; a evicts c (one use); c evicts a, whose count began anew; d evicts c
    assert said == ["", "*", "*", "", "*", "*", "*", "a", "c", "a", "c"]


def test_sieve():
    # queue old to young, visited in capitals; the hand begins at the old end
    # ABc; d: spares a and b, evicts c, the youngest: the hand begins at the old end again; abd
    # e: evicts a, hand at b; Bde; f: spares b, evicts d, hand at e; bef
    held, said = play("sieve", 3, "abcabdebf")
    assert said == ["", "", "", "*", "*", "c", "a", "*", "d"]
    assert order(held) == "efb"


def test_sieve_goes_around():
    held, said = play("sieve", 3, "abcabcd")  # all are visited: spared once, and a leaves in the second round
    assert said[-1] == "a"
    assert order(held) == "bcd"
    assert play("sieve", 3, "abcabcde")[1][-1] == "b"


def test_gdsf():
    # ranks clock + count x seconds / bytes: a 0 + 4 / 2 = 2, b 0 + 1 / 1 = 1, c 0 + 9 / 3 = 3
    # d (2 bytes): b leaves, clock 1, one byte is missing: a leaves, clock 2; d: 2 + 1 / 2 = 2.5
    # e (2 bytes, 1 is free): d leaves, clock 2.5; e: 2.5 + 1 = 3.5; f (1 byte) fits; g (1): f 2.5 + .2 = 2.7 leaves
    sizes = {"a": 2, "b": 1, "c": 3, "d": 2, "e": 2, "f": 1, "g": 1}
    seconds = {"a": 4, "b": 1, "c": 9, "d": 1, "e": 2, "f": 0.2, "g": 0.4}
    held, said = play("gdsf", 6, "abcdefg", sizes, seconds)
    assert said == ["", "", "", "ba", "d", "", "f"]
    assert order(held) == "cge"  # 3; 2.7 + .4 = 3.1; 3.5


def test_gdsf_counts_hits():
    _, said = play("gdsf", 2, "aabc")  # a 2, b 1
    assert said == ["", "*", "", "b"]
    _, said = play("gdsf", 2, "aabcdef")  # clock 1, 2 (c), 3 (a and d are at 2 and 3: a leaves before d)
    assert said == ["", "*", "", "b", "a", "c", "d"]


def test_lcbfu():
    # count x seconds: a 2 x 2 = 4, b 1 x 5 = 5, c 1 x 1 = 1; d: c leaves; d 3; e: d leaves, as size counts for nothing
    seconds = {"a": 2, "b": 5, "c": 1, "d": 3, "e": 9}
    held, said = play("lcbfu", 3, "abcade", seconds=seconds)
    assert said == ["", "", "", "*", "c", "d"]
    assert order(held) == "abe"


def test_s3fifo():
    # small has too much from .3 bytes, main from 2.7: a, b, c (two hits each) move to main, of which a leaves again
    # e: d had no hit and leaves as a ghost; d: e leaves, d comes into main: bcd; b has a hit
    # f: small is empty: main spares b and lets c go
    held, said = play("s3fifo", 3, "aaabbbcccdedbf")
    assert [s for s in said if s != "*"] == ["", "", "", "a", "d", "e", "c"]
    assert order(held) == "fdb"


@pytest.mark.parametrize(("again", "left"), [("c", "defg"), ("a", "defa")])
def test_s3fifo_remembers_the_last_ghosts(again, left):
    """abcdef leaves def and ghosts bc of at most 2.7 bytes: c is spared among ghi, a is as any newcomer."""
    _, said = play("s3fifo", 3, f"abcdef{again}ghi")
    assert "".join(said[-4:]) == left


def test_s3fifo_needs_two_hits_to_leave_the_small_queue():
    assert play("s3fifo", 3, "aabcd")[1][-1] == "a"
    assert play("s3fifo", 3, "aaabcd")[1][-1] == "b"


def test_wtinylfu():
    # the window has one byte, which holds none of 25 or 50: all compete at once
    # e: once, as a, which stays; e again: a leaves; b: protected; f: refused once, then c leaves
    sizes = dict.fromkeys("abcdef", 25) | {"G": 50}
    held, said = play("wtinylfu", 100, "abcdeebff", sizes)
    assert said == ["", "", "", "", "e", "a", "*", "f", "c"]
    assert order(held) == "defb"
    # G needs the bytes of d and e, asked for 3 times together
    held, said = play("wtinylfu", 100, "abcdeebffGGGG", sizes)
    assert said[-4:] == ["G", "G", "G", "de"]
    assert order(held) == "fGb"


def test_wtinylfu_protects_eight_of_ten():
    held, said = play("wtinylfu", 5, "abcdeabcde")  # 3.96 bytes are protected: a, b and then c go back
    assert said == [""] * 5 + ["*"] * 5
    assert order(held) == "abcde"
    held, _ = play("wtinylfu", 5, "abcdeabcdeae")
    assert order(held) == "bcdae"


def test_the_window_of_wtinylfu_is_held_to_its_bytes_while_there_is_room():
    """Else the window fills first, and newcomers push out what is asked for more often, as in an LRU."""
    held = policy("wtinylfu", 1000)
    for now in range(1, 1001):
        held.add(Item(now, 1), now)
    for now in range(1001, 2001):
        held.hit(now - 1000, now)
    for now in range(2001, 4001):
        held.add(Item(now, 1), now)
    assert sum(key in held for key in range(1, 1001)) >= 980


@pytest.mark.parametrize("name", ["lfu", "sieve", "gdsf", "lcbfu", "s3fifo"])
def test_room_is_made_before_the_newcomer_is_inserted(name):
    """Else a newcomer is the least frequent of all, leaves at once, and nothing new ever comes in."""
    held, said = play(name, 3, "aabbccd")
    assert len(said[-1]) == 1
    assert said[-1] != "d"
    assert ord("d") in held


def test_gdsf_ages_when_room_shrinks():
    """What leaves for a smaller room moves the clock as what leaves for a newcomer does; what is withdrawn does not."""
    seconds = {"a": 4, "b": 1, "c": 9}
    held, _ = play("gdsf", 3, "abc", seconds=seconds)
    assert held.resize(2, 4) == [ord("b")]  # clock 1
    held.remove(ord("c"))
    held.add(Item(ord("d"), 1, 3.5), 5)  # 1 + 3.5, beside a with 4
    assert order(held) == "ad"
    held.evict(ord("d"))  # not the lowest: the clock stays
    held.add(Item(ord("e"), 1, 0.25), 6)
    assert order(held) == "ea"  # 1.25, 4

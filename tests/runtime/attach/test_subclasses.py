"""One subclass a class, which keeps no class alive that nobody else keeps; what was used last is kept."""

from __future__ import annotations

import gc
import sys
import weakref
from fractions import Fraction
from typing import Any

from evocache.runtime.attach.subclasses import Subclasses, plain
from evocache.runtime.lru import LRU


def test_a_class_has_one_subclass():
    made = Subclasses(lambda cls: {"told": cls.__name__})
    sub: Any = made(Fraction)
    assert made(Fraction) is sub
    assert (plain(sub()), plain(Fraction())) == (Fraction, Fraction)
    assert issubclass(made(sub), sub)  # of another way of attaching, say
    assert (sub.told, sub.__name__, sub.__module__) == ("Fraction", "Fraction", "fractions")
    assert Subclasses(lambda cls: {})(Fraction) is not sub


def test_a_class_that_is_found_nowhere_is_not_kept():
    made = Subclasses(lambda cls: {})

    class Local:
        pass

    thing = made(Local)()
    assert made(Local) is type(thing)
    gone = weakref.ref(Local)
    del Local, thing
    gc.collect()
    assert gone() is None


def test_a_class_that_takes_another_s_name_takes_its_place(monkeypatch):
    made = Subclasses(lambda cls: {})
    classes: list[Any] = []
    for _ in range(3):
        cls = type("Redefined", (), {"__module__": __name__, "__qualname__": "Redefined"})
        monkeypatch.setattr(sys.modules[__name__], "Redefined", cls, raising=False)
        assert made(cls).__mro__[1] is cls
        assert made(cls) is made(cls)
        classes.append(weakref.ref(cls))
    del cls
    monkeypatch.undo()
    gc.collect()
    assert [cls() is not None for cls in classes] == [False, False, True]


def test_what_was_not_used_for_longest_is_forgotten():
    recent: LRU[str, int] = LRU(2)
    assert recent.get_or_make("a", lambda: 1) == 1
    recent["b"] = 2
    assert recent.get_or_make("a", lambda: 5) == 1
    recent["c"] = 3
    assert ("a" in recent, "b" in recent, recent.get("c"), recent.get("b")) == (True, False, 3, None)
    assert len(recent) == 2
    recent["a"] = 4
    recent["d"] = 6
    assert (recent.get("a"), "c" in recent) == (4, False)
    recent.clear()
    assert len(recent) == 0

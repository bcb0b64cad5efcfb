"""Whatever is called can be cached, or is refused with a word of what to write."""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import pickle
import pydoc
import sys
from abc import ABC, abstractmethod
from typing import ClassVar

import pytest

from evocache import cached
from evocache.errors import UsageError

SETTINGS = {"secret": b"s" * 32, "upkeep": False}


class Shop:
    """An object that says what it is in a key."""

    asked: ClassVar[list[object]] = []

    def __init__(self, name="one"):
        self.name = name

    def __cache_key__(self):
        return self.name

    @cached(**SETTINGS)
    @staticmethod
    def static_below(item):
        """Say what it costs."""
        Shop.asked.append(item)
        return [item]

    @staticmethod
    @cached(**SETTINGS)
    def static_above(item):
        Shop.asked.append(item)
        return [item]

    @cached(**SETTINGS)
    @classmethod
    def class_below(cls, item):
        """Say what it costs."""
        Shop.asked.append(item)
        return [cls.__name__, item]

    @classmethod
    @cached(**SETTINGS)
    def class_above(cls, item):
        Shop.asked.append(item)
        return [cls.__name__, item]

    @property
    @cached(**SETTINGS)
    def total(self):
        Shop.asked.append(self.name)
        return [self.name]

    @cached(**SETTINGS)
    def price(self, item, *, currency="EUR"):
        """Say what it costs."""
        Shop.asked.append(item)
        return [self.name, item, currency]


class Branch(Shop):
    pass


@pytest.fixture(autouse=True)
def asked():
    for name in ("static_below", "static_above", "price"):
        getattr(Shop, name).clear()
    for name in ("class_below", "class_above"):
        getattr(Shop, name).cache.clear()
    Shop.asked.clear()
    return Shop.asked


@pytest.mark.parametrize("name", ["static_below", "static_above"])
def test_a_static_method_is_given_no_object(asked, name):
    assert getattr(Shop, name)("tea") == getattr(Shop(), name)("tea") == getattr(Branch(), name)(item="tea") == ["tea"]
    assert asked == ["tea"]
    assert getattr(Shop, name).cache.stats.computed >= 1
    assert getattr(Shop, name).invalidate("tea")
    assert not getattr(Shop(), name).invalidate("tea")


@pytest.mark.parametrize("name", ["class_below", "class_above"])
def test_a_method_of_a_class_has_the_class_in_its_key(asked, name):
    assert getattr(Shop, name)("tea") == getattr(Shop(), name)("tea") == ["Shop", "tea"]
    assert getattr(Branch, name)("tea") == getattr(Branch(), name)("tea") == ["Branch", "tea"]
    assert asked == ["tea", "tea"]
    if name == "class_above" and sys.version_info >= (3, 13):
        return  # Python binds what is within a method of a class as a plain function: it can be called, no more
    assert getattr(Shop, name).invalidate("tea")
    assert not getattr(Shop(), name).invalidate("tea")
    assert getattr(Branch, name).key("tea") != getattr(Shop, name).key("tea")


def test_a_property_is_asked_by_what_its_object_is(asked):
    assert Shop("a").total == Shop("a").total == ["a"]
    assert Shop("b").total == ["b"]
    assert asked == ["a", "b"]


def test_a_method_of_an_object_looks_like_one():
    shop = Shop()
    bound = shop.price
    assert str(inspect.signature(bound)) == "(item, *, currency='EUR')"
    assert (bound.__name__, bound.__doc__, bound.__self__) == ("price", "Say what it costs.", shop)
    assert bound.__wrapped__ is Shop.price.__wrapped__
    assert bound == shop.price
    assert hash(bound) == hash(shop.price)
    assert bound != Shop().price
    assert bound != "price"
    assert "price of" in repr(bound)
    assert copy.copy(bound) == bound
    assert pickle.loads(pickle.dumps(bound))("tea") == ["one", "tea", "EUR"]
    with pytest.raises(AttributeError):
        bound.colour  # noqa: B018


def test_a_function_looks_like_the_one_that_it_calls():
    assert str(inspect.signature(Shop.price)) == "(self, item, *, currency='EUR')"
    assert Shop.price.__doc__ == "Say what it costs."
    assert pickle.loads(pickle.dumps(Shop.price)) is Shop.price
    assert "Say what it costs." in pydoc.render_doc(Shop.price)
    assert "price(self, item" in pydoc.plain(pydoc.render_doc(Shop.price))
    assert "Say what it costs." in pydoc.render_doc(Shop().price)
    assert "Shop.price" in repr(Shop.price)


def test_what_a_function_has_hung_on_it_hides_nothing():
    def add(a):
        return a

    add.key = add.invalidate = add.cache = "a user's own"
    add.mark = 3
    made = cached(**SETTINGS)(add)
    assert made(1) == 1
    assert made.invalidate(1)
    assert made.mark == 3


def test_an_abstract_method_stays_abstract():
    class Base(ABC):
        @cached(**SETTINGS)
        @abstractmethod
        def price(self): ...

    with pytest.raises(TypeError, match="abstract"):
        Base()


class Scale:
    def __init__(self, by):
        self.by, self.asked = by, 0

    def __call__(self, n):
        self.asked += 1
        return n * self.by

    def __cache_key__(self):
        return self.by


def test_an_object_that_is_called_is_part_of_the_question(tmp_path):
    """Two objects of one class share a tier, and are never given each other's answers."""
    answers = []
    for by in (2, 3):
        scale = cached(disk=tmp_path, **SETTINGS)(Scale(by))
        answers.append([scale(5), scale(5), scale(n=5)])
        scale.cache.close()
    assert answers == [[10] * 3, [15] * 3]
    changed = Scale(2)
    made = cached(**SETTINGS)(changed)
    assert made(5) == 10
    changed.by = 4
    assert made(5) == 20
    assert str(inspect.signature(made)) == "(n)"
    assert made.invalidate(5)


def test_a_bound_method_is_cached_with_its_object(tmp_path):
    answers = []
    for name in ("a", "b"):
        made = cached(disk=tmp_path, **SETTINGS)(Shop(name).price.__func__.__wrapped__.__get__(Shop(name)))
        answers.append(made("tea"))
        made.cache.close()
    assert answers == [["a", "tea", "EUR"], ["b", "tea", "EUR"]]


def test_partials_are_cached_by_what_they_bring(tmp_path):
    def add(a, b, c=0):
        return a + b + c

    answers = []
    for given in (functools.partial(add, 1), functools.partial(add, 2), functools.partial(add, 2, c=5)):
        made = cached(disk=tmp_path, **SETTINGS)(given)
        answers.append([made(10), made(b=10), made(10)])
        assert made.cache.stats.computed == 1
        assert made.__name__.endswith("add")
        made.cache.close()
    assert answers == [[11] * 3, [12] * 3, [17] * 3]
    methods = [functools.partial(Shop(name).price.__wrapped__.__get__(Shop(name)), "tea") for name in "ab"]
    scales = [functools.partial(Scale(by), 1) for by in (2, 3)]
    assert len({cached(**SETTINGS)(one).key() for one in [*methods, *scales]}) == 4
    with pytest.raises(UsageError, match=r'holds.*object.*version="1"'):
        cached(**SETTINGS)(functools.partial(add, object()))
    assert cached(version="1", **SETTINGS)(functools.partial(add, 1))(2) == 3


class Opaque:
    def __call__(self, n):
        return n


REFUSED = {
    "property": (lambda: property(lambda self: 1), "@property above"),
    "cached_property": (lambda: functools.cached_property(lambda self: 1), "@property above"),
    "class": (lambda: Opaque, "function that makes the object"),
    "partialmethod": (lambda: functools.partialmethod(lambda self: 1), "above a `def`"),
    "number": (lambda: 3, "above a `def`"),
    "none": (lambda: staticmethod(None), "above a `def`"),
    "builtin": (lambda: len, 'version="1"'),
    "method of a builtin": (lambda: [1].index, "given the object"),
    "no signature": (lambda: max, "of your own that calls it"),
    "getter": (lambda: operator.itemgetter(1), r'version="1"|of your own'),
    "cached": (lambda: Shop.price, "leave one of them out"),
    "cached method": (lambda: Shop().price, "leave one of them out"),
    "static and cached": (lambda: staticmethod(Shop.price), "leave one of them out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_cached_is_refused_with_what_to_write(name):
    make, mend = REFUSED[name]
    with pytest.raises(UsageError, match=mend):
        cached(**SETTINGS)(make())


def test_builtins_are_cached_by_their_version():
    made = cached(version="1", **SETTINGS)(len)
    assert made([1, 2]) == made([1, 2]) == 2
    assert made.cache.stats.computed == 1


def test_an_object_that_has_no_encoding_is_named_when_it_is_called():
    with pytest.raises(UsageError, match=r"self.*Opaque"):
        cached(**SETTINGS)(Opaque())(1)
    assert cached(ignore=("self",), **SETTINGS)(Opaque())(1) == 1


def test_a_cached_function_of_another_decorator_is_cached_as_it():
    made = cached(**SETTINGS)(functools.lru_cache(lambda n: [n]))
    assert made(1) == [1]
    assert made.cache.stats.computed == 1

"""Versions of functions: what they compute counts, where it is written does not."""

from __future__ import annotations

import functools

import pytest

from evocache.errors import UsageError
from evocache.usage.keys.code_version import code_version, unencoded_in


def made(text: str, name: str = "f", optimize: int = 0):
    space = {"__name__": "somewhere", "functools": functools}
    exec(compile(text, "file.py", "exec", optimize=optimize), space)
    return space[name]


BASE = "def f(x, y=1):\n    return [x + y for _ in range(3)]\n"


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("x + y", "x - y"),
        BASE.replace("range(3)", "range(4)"),
        BASE.replace("y=1", "y=2"),
        BASE.replace("y=1", "*, y=1"),
        BASE.replace("range", "sorted"),
    ],
)
def test_other_code_is_another_version(other):
    assert code_version(made(other)) != code_version(made(BASE))


def test_lines_and_comments_do_not_count():
    assert code_version(made("\n\n# told\n" + BASE)) == code_version(made(BASE))
    elsewhere = made(BASE)
    elsewhere.__code__ = elsewhere.__code__.replace(co_filename="other.py")
    assert code_version(elsewhere) == code_version(made(BASE))


OUTER = "def outer(n, helper):\n    def f(x):\n        return helper(x) * n\n    return f\n"


def test_values_of_outer_functions_count_as_far_as_they_can_be_said():
    outer = made(OUTER, "outer")
    base = code_version(outer(1, made(BASE)))
    assert code_version(outer(1, made(BASE))) == base
    assert code_version(outer(2, made(BASE))) != base
    assert code_version(outer(1, made(BASE.replace("3", "4")))) != base
    assert code_version(outer(1, object())) == code_version(outer(1, object())) != base


def test_functions_that_call_themselves_end():
    text = "def outer():\n    def f(x):\n        return f(x - 1) if x else 0\n    return f\n"
    assert code_version(made(text, "outer")()) == code_version(made(text, "outer")())


def test_what_decorators_wrapped_counts():
    text = "def d(g):\n    @functools.wraps(g)\n    def w(*a):\n        return g(*a)\n    return w\n@d\n" + BASE
    assert code_version(made(text)) != code_version(made(text.replace("x + y", "x - y")))
    cached = functools.lru_cache(made(BASE))
    assert code_version(cached) != code_version(functools.lru_cache(made(BASE.replace("3", "4"))))
    assert code_version(functools.partial(made(BASE), 1)) != code_version(functools.partial(made(BASE), 2))


def test_a_version_stands_for_the_code():
    assert code_version(made(BASE), "1") == code_version(made(BASE.replace("3", "4")), "1")
    assert code_version(made(BASE), "1") != code_version(made(BASE), "2")
    with pytest.raises(UsageError, match='version="1"'):
        code_version(len)
    assert code_version(len, 1) != code_version(max, 1)


def test_methods_and_objects_that_are_called():
    class Scale:
        def __init__(self, by: int) -> None:
            self.by = by

        def __call__(self, x: int) -> int:
            return x * self.by

    assert code_version(Scale(1)) == code_version(Scale(2))
    assert code_version(Scale(1).__call__) == code_version(Scale(2).__call__)


def test_constant_sets_have_no_order():
    text = "def f(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n"
    turned = made(text)
    turn = lambda c: frozenset(sorted(c, reverse=True)) if isinstance(c, frozenset) else c  # noqa: E731
    constants = map(turn, turned.__code__.co_consts)
    turned.__code__ = turned.__code__.replace(co_consts=tuple(constants))
    assert code_version(turned) == code_version(made(text))


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("pass", (True, True)),
        ("assert x", (False, False)),
        ("'told'", (True, False)),
        ("y = __debug__", (False, False)),
    ],
)
def test_what_optimisation_changes(line, same):
    text = f"def f(x, y=1):\n    {line}\n    return x\n"
    versions = [code_version(made(text, optimize=level)) for level in (0, 1, 2)]
    assert (versions[1] == versions[0], versions[2] == versions[0]) == same


def test_what_a_version_leaves_out_is_named():
    outer = made(OUTER, "outer")
    assert unencoded_in(outer(1, made(BASE))) == []
    assert unencoded_in(outer(1, functools)) == []
    assert unencoded_in(outer(1, object())) == ["`helper` of type object"]
    assert unencoded_in(outer(1, outer(2, object()))) == ["`helper` of type object"]
    assert unencoded_in(outer(1, functools.lru_cache(outer(2, object())))) == ["`helper` of type object"]
    assert unencoded_in(made("def f(x, y=object()): pass")) == []  # an argument


def test_what_a_wrapper_holds_counts():
    class Scaled:
        def __init__(self, function, by):
            functools.update_wrapper(self, function)
            self.function, self.by = function, by

        def __call__(self, x):
            return self.function(x) * self.by

    base = made(BASE)
    assert code_version(Scaled(base, 1)) == code_version(Scaled(base, 1)) != code_version(Scaled(base, 2))
    assert unencoded_in(Scaled(base, 1)) == []
    assert unencoded_in(Scaled(base, object())) == ["`by` of type object"]

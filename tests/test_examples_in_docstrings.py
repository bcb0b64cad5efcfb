"""The examples in the docstrings of the most used public names run, and print what they say."""

from __future__ import annotations

import doctest
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import evocache
from evocache import Front, Handle, Schedule, zoo
from evocache.policies import parse
from evocache.runtime import context_of
from evocache.schedule import load, save, uniform
from evocache.schedule.render import draw_heatmap
from evocache.units import in_bytes

PUBLIC = (
    *(evocache.apply, evocache.handle, evocache.remove, evocache.discover, evocache.plan_memory),
    *(Handle.stats, Handle.recorded, Handle.active, Handle.plan),
    *(Schedule, Schedule.full, Schedule.resampled, Schedule.executed_fraction, uniform, save, load, draw_heatmap),
    *(Front.load, Front.pick, context_of, parse, in_bytes, zoo.load, zoo.names),
)
ROOT = tuple(getattr(evocache, name) for name in evocache.__all__)


def own(value: Any) -> Any:
    return value.fget if isinstance(value, property) else inspect.unwrap(value)


def name_of(value: Any) -> str:
    return str(own(value).__qualname__)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What examples may use without saying where it is from."""
    front = Front.load(zoo.find("zoo:emoji").front)
    known = {"evocache": evocache, "zoo": zoo, "pipe": zoo.load("zoo:emoji"), "front": front, "parse": parse}
    known |= {"Front": Front, "Schedule": Schedule, "save": save, "load": load, "uniform": uniform}
    return {**known, "draw_heatmap": draw_heatmap, "context_of": context_of, "in_bytes": in_bytes}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an example at another number of steps than the front's
        yield


@pytest.mark.parametrize("value", PUBLIC, ids=name_of)
def test_the_example_runs(names, value):
    text = inspect.getdoc(own(value)) or ""
    found = doctest.DocTestParser().get_doctest(text, dict(names), name_of(value), None, 0)
    assert found.examples
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=said.append)
    assert result.attempted == len(found.examples)
    assert result.failed == 0, "".join(said)
    assert evocache.handle(names["pipe"]) is None  # an example undoes what it applies


@pytest.mark.parametrize("value", [v for v in ROOT if inspect.isfunction(v)], ids=name_of)
def test_functions_of_the_root_say_what_they_take_and_give(value):
    text = inspect.getdoc(value) or ""
    assert text.split(maxsplit=1)[0] in {"Accelerate", "Evolve", "Find", "Give", "Plan", "Return"}
    assert "Args:" in text
    for name in inspect.signature(value).parameters:
        assert f"\n    {name}: " in text or f"\n    {name}, " in text or f", {name}" in text, name


def test_a_wrong_example_is_seen(names):
    found = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", dict(names), "wrong", None, 0)
    assert doctest.DocTestRunner().run(found, out=lambda _: None).failed == 1

"""Who watches forks is told of each, whatever other threads do meanwhile."""

from __future__ import annotations

import gc

import pytest

from evocache.usage.tiers import forks


class Watcher:
    """Writes down what it is told."""

    def __init__(self, said, name, act=lambda: None):
        self.said, self.name, self.act = said, name, act
        forks.watch(self)

    def before_fork(self):
        self.said.append(f"before {self.name}")
        self.act()

    def after_fork(self, child):
        self.said.append(f"after {self.name} {child}")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(forks, "_WATCHED", {})


def test_the_latest_is_told_first_and_released_last():
    said = []
    one, two = Watcher(said, 1), Watcher(said, 2)
    forks._before()
    forks._after(True)
    assert said == ["before 2", "before 1", "after 1 True", "after 2 True"]
    del one, two
    gc.collect()
    assert forks._WATCHED == {}


def test_one_that_is_made_while_others_are_told_is_told_as_well():
    said, made = [], []

    def make():
        if not made:
            made.append(Watcher(said, "new"))

    old = Watcher(said, "old", make)
    forks._before()
    assert said == ["before old", "after old False", "before new", "before old"]
    forks._after(False)
    assert said[-2:] == ["after old False", "after new False"]
    assert old.name == "old"

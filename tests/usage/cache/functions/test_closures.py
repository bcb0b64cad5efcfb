"""Functions that hold values of outer functions: one over another value is another function."""

from __future__ import annotations

import math

import pytest

from evocache.errors import UsageError
from evocache.usage.cache.decorator import cached

SETTINGS = {"secret": bytes(32), "upkeep": False}


class Model:
    def __init__(self, factor: int) -> None:
        self.factor = factor


class Keyed(Model):
    def __cache_key__(self) -> int:
        return self.factor


def make(model: Model, **settings):
    @cached(**settings, **SETTINGS)
    def predict(x: int) -> int:
        return model.factor * x

    return predict


def test_the_same_function_over_another_model_shares_no_answer(tmp_path):
    with pytest.raises(UsageError, match=r"holds `model` of type .*Model.*`__cache_key__`.*version=\"1\""):
        make(Model(2), disk=tmp_path)
    with pytest.raises(UsageError, match="holds `model`"):
        make(Model(2), shared="valkey://127.0.0.1:1")
    with pytest.raises(UsageError, match="holds `model`"):
        make(Model(2), disk=tmp_path, tenant="x")
    two, many = make(Model(2)), make(Model(1000))
    assert (two(3), many(3), two(3)) == (6, 3000, 6)
    for make_model, version in ((Keyed, lambda factor: None), (Model, lambda factor: factor)):
        for factor in (2, 1000, 2):
            predict = make(make_model(factor), disk=tmp_path, version=version(factor))
            assert predict(3) == factor * 3
            predict.cache.close()
        assert predict.cache.stats.disk_hits == 1


def test_what_every_process_has_is_no_matter(tmp_path):
    def inner(factor: int):
        @cached(**SETTINGS)
        def scaled(x: int) -> int:
            return x * factor

        def sine(x: int) -> float:
            return math.sin(x)

        rounded = math

        @cached(disk=tmp_path, **SETTINGS)
        def total(x: int) -> int:
            return total(x - 1) + scaled(x) if x else rounded.floor(sine(0))

        return total

    answers = []
    for factor in (1, 2, 1):
        total = inner(factor)
        answers.append(total(3))
        total.cache.close()
    assert answers == [6, 12, 6]
    assert total.cache.stats.disk_hits == 1


def test_a_cached_function_over_a_model_is_no_key(tmp_path):
    predict = make(Model(2))
    with pytest.raises(UsageError, match="holds `model`"):
        cached(**SETTINGS)(lambda function: function(1))(predict)
    assert cached(**SETTINGS)(lambda function: function(1))(make(Keyed(2))) == 2


def test_a_value_that_comes_later_is_refused(tmp_path):
    def later():
        @cached(disk=tmp_path, **SETTINGS)
        def predict(x: int) -> int:
            return model.factor * x

        model = Model(2)
        return predict

    with pytest.raises(UsageError, match="`model`, which is not there yet,"):
        later()


def test_a_method_that_asks_its_parent_is_taken(tmp_path):
    class Base:
        def word(self) -> str:
            return "base"

    class Derived(Base):
        def __cache_key__(self) -> int:
            return 1

        @cached(disk=tmp_path, **SETTINGS)
        def word(self) -> str:
            return super().word()

    assert Derived().word() == "base"

"""A cached coroutine function is one for Python and for frameworks, as a function, a method, and without room."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import warnings

import pytest

from evocache import cached
from evocache.errors import EvocacheWarning

SETTINGS = {"secret": b"s" * 32, "upkeep": False}


@cached(**SETTINGS)
async def fetch(url: str, *, times: int = 1) -> list[str]:
    """Fetch what is at a URL."""
    await asyncio.sleep(0)
    return [url] * times


class Client:
    def __cache_key__(self):
        return "client"

    @cached(**SETTINGS)
    async def get(self, url):
        return [url]

    @cached(**SETTINGS)
    @staticmethod
    async def static(url):
        return [url]

    @cached(**SETTINGS)
    @classmethod
    async def of_class(cls, url):
        return [url]

    async def __call__(self, url):
        return [url]


CLIENT = Client()

ALL = {
    "function": fetch,
    "method": CLIENT.get,
    "static": CLIENT.static,
    "of class": Client.of_class,
    "object": cached(**SETTINGS)(CLIENT),
    "partial": cached(**SETTINGS)(functools.partial(fetch.__wrapped__, times=1)),
}


@pytest.mark.parametrize("name", ALL)
def test_it_is_known_for_a_coroutine_function(name):
    """Starlette asks `inspect` of the function and of its `__call__`, FastAPI of whether it is a routine first."""
    function = ALL[name]
    assert inspect.iscoroutinefunction(function)
    assert inspect.iscoroutinefunction(function.__call__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert asyncio.iscoroutinefunction(function)
    assert next(iter(inspect.signature(function).parameters)) == "url"
    call = function("a")
    assert inspect.iscoroutine(call)
    assert asyncio.run(call) == ["a"]


def test_a_plain_function_is_known_for_none():
    plain = cached(**SETTINGS)(lambda n: n)
    assert not inspect.iscoroutinefunction(plain)
    assert not inspect.iscoroutinefunction(plain.__call__)


def test_it_looks_like_the_one_that_it_calls():
    assert str(inspect.signature(fetch)) == "(url: 'str', *, times: 'int' = 1) -> 'list[str]'"
    assert inspect.get_annotations(fetch, eval_str=True)["times"] is int
    assert fetch.__globals__ is globals()
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch what is at a URL.")
    assert inspect.unwrap(fetch) is fetch.__wrapped__
    assert pickle.loads(pickle.dumps(fetch)) is fetch


def test_where_a_tenant_has_no_room_it_is_awaited_all_the_same():
    @cached(tenant="firm", tenants=1, **SETTINGS)
    async def price(firm):
        return [firm]

    async def run():
        return await price("a"), await price("b")

    with pytest.warns(EvocacheWarning, match="room for 1"):
        assert asyncio.run(run()) == (["a"], ["b"])

"""A cached function is asked once a question, however its call is written."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

from evocache import cached
from evocache.errors import EvocacheWarning, UsageError

SETTINGS = {"secret": b"s" * 32, "upkeep": False}


def counting(**settings):
    asked = []

    @cached(**{**SETTINGS, **settings})
    def add(first, second=2, *more, scale=1, **named):
        asked.append(1)
        return (first + second + sum(more)) * scale + sum(named.values())

    return add, asked


def test_one_question_has_one_key_however_it_is_written():
    add, asked = counting()
    assert [add(1), add(1, 2), add(first=1), add(second=2, first=1), add(1, scale=1)] == [3] * 5
    assert asked == [1]
    assert add.key(1) == add.key(1, 2, scale=1)
    assert add(1, 2, 3, 4) == 10
    assert add(1, a=1, b=2) == add(1, b=2, a=1) == 6
    assert len(asked) == 3
    with pytest.raises(TypeError):
        add()


def test_what_is_ignored_does_not_matter():
    add, asked = counting(ignore=("scale", "named"))
    assert [add(1, scale=1), add(1, scale=5), add(1, other=7)] == [3] * 3
    assert asked == [1]
    with pytest.raises(UsageError, match="colour"):
        cached(ignore=("colour",), **SETTINGS)(lambda a: a)


def test_without_parentheses_it_learns_as_well():
    @cached
    def double(n):
        return 2 * n

    assert double(4) == double(4) == 8
    assert double.cache.stats.hits == 1
    assert double.__name__ == "double"
    assert double.cache.stats.decider
    double.cache.close()


def test_owners_and_groups_are_found_in_the_arguments():
    @cached(owner="user", group=lambda arguments: arguments["prompt"].split()[0], **SETTINGS)
    def picture(user, prompt, *, seed=0):
        return f"{prompt} {seed}"

    picture("ada", "fox on blue")
    picture(prompt="fox on red", user="ada", seed=3)
    picture("bob", "cat on red")
    entries = list(picture.cache._contents.entries.values())
    assert entries[0].owner == entries[1].owner != entries[2].owner
    assert entries[0].group == entries[1].group != entries[2].group
    assert all(entry.owner and entry.group for entry in entries)
    picture.clear(owner="ada")
    assert len(picture.cache) == 1
    with pytest.raises(UsageError, match="users"):
        cached(owner="users", **SETTINGS)(lambda user: user)


def test_an_answer_is_forgotten_by_its_arguments():
    add, asked = counting()
    add(1)
    assert add.invalidate(1, second=2)
    assert not add.invalidate(1)
    add(1)
    assert len(asked) == 2


class Shop:
    """Objects that say what they are in a key."""

    def __init__(self, name):
        self.name, self.asked = name, 0

    def __cache_key__(self):
        return self.name

    @cached(**SETTINGS)
    def price(self, item):
        self.asked += 1
        return (self.name, item)

    @cached(ignore=("self",), **SETTINGS)
    def rate(self, currency):
        self.asked += 1
        return len(currency)


class Nameless:
    """Objects that do not."""

    @cached(**SETTINGS)
    def price(self, item):
        return item


def test_methods_are_asked_by_what_their_object_is():
    one, again, other = Shop("one"), Shop("one"), Shop("other")
    assert one.price("tea") == again.price("tea") == ("one", "tea")
    assert other.price("tea") == ("other", "tea")
    assert (one.asked, again.asked, other.asked) == (1, 0, 1)
    assert one.rate("EUR") == other.rate("EUR") == 3
    assert other.asked == 1
    assert one.price.invalidate("tea")
    with pytest.raises(UsageError, match=r"self.*Nameless"):
        Nameless().price("tea")


def test_arrays_and_frames_are_questions_and_answers():
    @cached(**SETTINGS)
    def mean(values):
        return values.mean(axis=0)

    rows = np.arange(12.0).reshape(4, 3)
    assert mean(rows).tolist() == mean(rows.copy()).tolist() == [4.5, 5.5, 6.5]
    assert mean.cache.stats.computed == 1
    mean(rows.astype(np.float32))
    assert mean.cache.stats.computed == 2
    pandas = pytest.importorskip("pandas", reason="frames need pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})

    @cached(**SETTINGS)
    def head(frame):
        return frame.head(1)

    answer = head(frame)
    answer.loc[0, "a"] = 99
    assert head(frame.copy()).loc[0, "a"] == 1
    assert head.cache.stats.computed == 1


def test_a_coroutine_function_is_awaited():
    asked = []

    @cached(**SETTINGS)
    async def fetch(url):
        asked.append(1)
        await asyncio.sleep(0.01)
        return [url]

    async def run():
        return await asyncio.gather(*[fetch("a") for _ in range(5)])

    assert asyncio.run(run()) == [["a"]] * 5
    assert asked == [1]


def test_functions_that_yield_are_refused():
    with pytest.raises(UsageError, match="one by one"):

        @cached(**SETTINGS)
        def numbers():
            yield 1


def test_tenants_share_nothing_and_have_equal_parts():
    asked = []

    @cached(max_bytes="1MB", tenant="firm", tenants=2, **SETTINGS)
    def price(firm, item):
        asked.append(firm)
        return item

    for firm in ("a", "b", "a"):
        price(firm, "tea")
    assert asked == ["a", "b"]
    assert list(price.cache) == ["a", "b"]
    assert {cache.max_bytes for cache in price.cache.values()} == {500_000}
    with pytest.warns(EvocacheWarning, match="room for 2 tenants"):
        price("c", "tea")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        price("c", "tea")
    assert asked == ["a", "b", "c", "c"]
    assert "cache of a" in str(price.cache)


def test_two_tenants_learn_alone():
    """What one tenant's cache decides, holds and counts is the same with and without the other's traffic."""

    def run(noise):
        @cached(max_bytes=60_000, tenant="firm", tenants=2, clock=lambda: 0.0, **SETTINGS)
        def value(firm, n):
            return "x" * 500

        draw = np.random.default_rng(5)
        other = np.random.default_rng(6)
        for n in draw.zipf(1.3, 600).tolist():
            value("a", n)
            if noise:
                for m in other.integers(0, 10_000, 3).tolist():
                    value("b", m)
        own = value.cache["a"]
        return sorted(entry.id for entry in own._contents.entries.values()), own.stats.hits, own.stats.evictions

    assert run(noise=False) == run(noise=True)


PROGRAM = """
    from evocache import cached
    @cached(secret=b"s" * 32, upkeep=False)
    def add(first, second=2, *more, **named): return first
    print(add.key({"b", "a", "c"}, (1, 2.5), x=1, w={"k": None}).hex())
    print(add.cache._answers.names.digest(add.key("q")).hex())
"""


def test_keys_are_the_same_in_every_process():
    program = textwrap.dedent(PROGRAM)
    said = set()
    for seed in ("0", "1", "77"):
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PATH": ""}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1


def test_it_needs_no_torch():
    """With torch, diffusers and every extra out of reach a cached function works, on the disk as well."""
    program = """
        import sys
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in BLOCKED: raise ImportError(name)
        BLOCKED = {"torch", "diffusers", "transformers", "cmaes", "numba", "river", "sqlalchemy", "valkey", "pyarrow",
                   "pandas", "polars"}
        sys.meta_path.insert(0, Block())
        import tempfile
        from evocache import cached
        with tempfile.TemporaryDirectory() as folder:
            @cached(max_bytes="1MB", owner="user", disk=folder)
            def report(user, month): return [user, month]
            assert report("a", "b") == report("a", "b") == ["a", "b"]
            for n in range(3000): report("u", n)
            report.cache.learn()
            print(report.cache)
            report.cache.close()
        assert not BLOCKED & set(sys.modules), BLOCKED & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "", "EVOCACHE_HOME": ".", "HOME": "/nonexistent"},
        capture_output=True, text=True, timeout=300, cwd=subprocess.os.environ.get("TMPDIR", "/tmp"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "decides now" in done.stdout

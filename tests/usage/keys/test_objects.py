"""Keys of objects: all that they hold counts, whatever declares it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import InitVar, dataclass
from functools import cached_property
from pathlib import PurePosixPath

import pytest

from evocache.errors import UsageError
from evocache.usage.keys.canonical import encode


@dataclass
class Named:
    name: str


class Rated(Named):
    def __init__(self, name: str, rate: int) -> None:
        super().__init__(name)
        self.rate = rate


@dataclass
class Table:
    name: str
    path: InitVar[str]

    def __post_init__(self, path: str) -> None:
        self.rows = [path]


class SlotOf(Named):
    __slots__ = ("__hidden",)

    def __init__(self, name: str, hidden: int) -> None:
        super().__init__(name)
        self.__hidden = hidden


def with_slots(base: type, value: object, state: int) -> object:
    made = type(f"Slotted_{base.__name__}", (base,), {"__slots__": ("state",)})(value)
    made.state = state
    return made


class Folder(PurePosixPath):
    owner = ""


def owned(owner: str) -> Folder:
    folder = Folder("/a")
    folder.owner = owner
    return folder


def moved() -> OrderedDict[str, int]:
    made = Ordered(a=1, b=2)
    made.move_to_end("a")
    return made


class Ordered(OrderedDict[str, int]): ...


class Default(defaultdict[str, list[int]]): ...


PAIRS = {
    "derived from a dataclass": lambda: (Rated("a", 1), Rated("a", 2)),
    "made after the fields": lambda: (Table("a", "p"), Table("a", "q")),
    "hidden slots": lambda: (SlotOf("a", 1), SlotOf("a", 2)),
    "slots of a text": lambda: (with_slots(str, "hi", 1), with_slots(str, "hi", 2)),
    "slots of a list": lambda: (with_slots(list, "hi", 1), with_slots(list, "hi", 2)),
    "a path": lambda: (owned("ada"), owned("ben")),
    "an order": lambda: (Ordered(a=1, b=2), moved()),
    "a default": lambda: (Default(list), Default(Counter)),
    "deques": lambda: (deque([1], 2), deque([1])),
    "order of deques": lambda: (deque([1, 2]), deque([2, 1])),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_an_object_holds_beside_its_fields_counts(name):
    (one, other), (again, _) = PAIRS[name](), PAIRS[name]()
    assert encode(one) != encode(other)
    assert encode(one) == encode(again)


def test_a_cached_property_follows_from_the_rest():
    @dataclass
    class Order:
        items: list[int]

        @cached_property
        def total(self) -> int:
            return sum(self.items)

    order = Order([1, 2])
    before = encode(order)
    assert order.total == 3
    assert encode(order) == before


def test_a_dataclass_with_a_part_that_nobody_sees_is_refused():
    @dataclass
    class FailedError(Exception):
        code: int

    with pytest.raises(UsageError, match="does not derive from Exception"):
        encode(FailedError(1))


def test_models_of_pydantic_are_keys():
    pydantic = pytest.importorskip("pydantic")

    class Query(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        text: str = "a"
        link: pydantic.HttpUrl | None = None
        _seed: int = pydantic.PrivateAttr(0)

    Query.model_rebuild(_types_namespace={"pydantic": pydantic})
    seeded = Query(text="a")
    seeded._seed = 1
    made = [
        Query(text="a"), Query(text="b"), Query(text="a", more=1), Query(text="a", more=2), seeded,
        Query(),  # `model_dump(exclude_unset=True)` tells it from the first
        Query(text="a", link="https://a.org"), Query(text="a", link="https://b.org"),
    ]  # fmt: skip
    assert len({encode(query) for query in made}) == len(made)
    assert encode(Query(text="b")) == encode(made[1])


def test_objects_of_attrs_are_keys():
    attrs = pytest.importorskip("attrs")
    base = attrs.make_class("Base", ["x"], slots=True)

    class Derived(base):
        pass

    one, other = Derived(1), Derived(1)
    other.rate = 2
    assert len({encode(value) for value in (base(1), base(2), one, other)}) == 4
    assert encode(base(1)) == encode(base(1))


PROGRAM = """
import multiprocessing
from dataclasses import dataclass
from evocache.usage.keys.canonical import encode
from evocache.usage.keys.code_version import code_version

@dataclass
class Point:
    x: int

def job(x):
    return x

AT_IMPORT = code_version(job) + encode((Point(1), Point, job))

def key(_):
    return AT_IMPORT

if __name__ == "__main__":
    for way in ("spawn", "forkserver", "fork"):
        with multiprocessing.get_context(way).Pool(1) as pool:
            print(way, pool.apply(key, (0,)) == AT_IMPORT)
"""


def test_processes_that_a_program_starts_make_its_keys(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    assert ran.stdout.split() == ["spawn", "True", "forkserver", "True", "fork", "True"]

"""Values of all kinds that keys are made of, no two of them equal; run as a program, it prints their encodings."""

from __future__ import annotations

import functools
import math
import re
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

Pair = namedtuple("Pair", "a b")


class Colour(Enum):
    RED = 1
    BLUE = 2


class Level(IntEnum):
    LOW = 1


@dataclass
class Point:
    x: float
    names: frozenset[str] = frozenset()


class Model:
    def __init__(self, weights: str) -> None:
        self.weights = weights

    def __cache_key__(self) -> Any:
        return self.weights

    def run(self) -> None: ...


class Text(str):
    pass


def plain() -> list[Any]:
    structured = np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True))
    masked = np.ma.MaskedArray([1, 2], [False, True])
    words = {f"word {number}" for number in range(20)}
    return [
        None, True, False, 1, 0, -1, 10**5000, 1.0, 0.0, -0.0, math.nan, math.inf, 1j, complex(0, -0.0),
        "1", "", "a", "한국어", "\ud83d\ude00", "\U0001f600", b"", b"a", b"1", bytearray(b"a"),
        (), (1,), (1, 2), (2, 1), ((1,), 2), ((), ()), [], [1], {}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, {1: "a"},
        {"1": "a"}, {(1, "x"): None}, set(), {1}, {"1"}, frozenset(), frozenset({1}), words, dict.fromkeys(words),
        ("ab", "c"), ("a", "bc"), ("s1:a",), ("a", "s1:a"), [("a",)], [["a"]],
        Colour.RED, Colour.BLUE, Level.LOW, Point(1.0), Point(1.0, frozenset({"a", "b"})), Pair(1, 2), Text("a"),
        OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), Counter("a"), defaultdict(list, a=[1]),
        date(2026, 1, 2), datetime(2026, 1, 2), datetime(2026, 1, 2, fold=1), datetime(2026, 1, 2, tzinfo=timezone.utc),
        datetime(2026, 1, 2, tzinfo=ZoneInfo("UTC")), time(1, 2), timedelta(1), timezone(timedelta(hours=1)),
        Decimal("1.0"), Decimal("1.00"), Decimal("NaN"), Fraction(1, 3), UUID(int=1), Path("a"), PurePosixPath("a"),
        range(3), slice(1, 2), ..., re.compile("a"), re.compile("a", re.I),
        plain, Point, Enum, int, len, math.sin, "a".upper, Model("v1"), Model("v2"), Model("v1").run,
        functools.partial(plain, 1), functools.partial(plain, a=1),
        np.float64(1), np.float32(1), np.int8(1), np.bool_(True), np.str_("a"), np.datetime64("2026-01-01"),
        np.longdouble(1), np.dtype("f4"), np.zeros(3), np.zeros((3, 1)), np.zeros((1, 3)), np.zeros(3, "f4"),
        np.zeros(3, ">f4"), np.zeros(0), np.zeros((0, 3)), np.zeros(()), np.array(["a", "b"]), structured, masked,
        np.ma.MaskedArray([1, 2], [True, False]), np.array([1, "a", None], object), np.arange(6).reshape(2, 3),
        np.arange(6).reshape(2, 3).T, np.array([[1, 2]], object), np.zeros(2, np.longdouble),
    ]  # fmt: skip


def of_libraries() -> list[Any]:
    import pandas as pd
    import polars as pl
    import torch
    from PIL import Image

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])})
    picture = Image.new("RGB", (2, 3), "red")
    return [
        frame, frame.set_index("b"), frame.iloc[::-1], frame.rename(columns={"a": "z"}), frame["a"], frame["c"],
        frame["a"].rename("q"), frame.astype({"a": "float32"}), frame.astype({"a": "Int64"}), frame.index,
        pd.Index([1, 2]), pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]), pd.date_range("2026", periods=2),
        pd.date_range("2026", periods=2, tz="Europe/Berlin"), pd.Timestamp("2026"), pd.Timedelta(1), pd.NA, pd.NaT,
        pd.Interval(0, 1), pd.Period("2026-01"), pd.array([1, None], dtype="Int64"), pd.DataFrame({"l": [[1], [2]]}),
        pd.DataFrame({"l": [[1], [3]]}), pd.Series([1, 2], dtype="float64"),
        pl.DataFrame({"a": [1, None], "b": ["x", "y"]}), pl.DataFrame({"a": [0, None], "b": ["x", "y"]}),
        pl.Series("a", [1, 2]), pl.Series("b", [1, 2]), pl.Series("a", [[1], [2]]), pl.Series("a", [date(2026, 1, 1)]),
        pl.Series("a", ["u", "v"], pl.Categorical), pl.DataFrame(), pl.DataFrame({"a": []}),
        torch.zeros(2), torch.zeros(2, 1), torch.zeros(2, dtype=torch.bfloat16), torch.zeros((), dtype=torch.bool),
        torch.zeros(0), torch.arange(6).reshape(2, 3), torch.arange(6).reshape(2, 3).T, torch.zeros(2).requires_grad_(),
        torch.nn.Parameter(torch.zeros(2)), torch.float32, torch.device("cpu"), torch.Size([2]), torch.tensor([1j]),
        picture, picture.convert("L"), picture.convert("P"), picture.resize((3, 2)),
    ]  # fmt: skip


if __name__ == "__main__":
    from evocache.usage.keys.canonical import encode
    from evocache.usage.keys.code_version import code_version
    from tests.usage.keys import example_values as here

    values = [*here.plain(), *(here.of_libraries() if "--libraries" in sys.argv else [])]
    print("\n".join([*(encode(value).hex() for value in values), code_version(here.of_libraries).hex()]))

"""Nobody can change what is kept: not by the value that was put, not by one that was given."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image

from evocache.errors import UsageError
from evocache.usage.keys.canonical import encode
from evocache.usage.keys.protection import protect


@dataclass
class Box:
    items: list[int] = field(default_factory=lambda: [1])


@dataclass(frozen=True)
class Frozen:
    name: str
    items: object = ()


def spoil_frame(frame):
    frame.loc[0, "a"] = -1
    frame["l"].iloc[0].append(-1)


def picture(format: str, **settings):
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, format, **settings)
    return Image.open(io.BytesIO(file.getvalue()))


SPOILED = {
    "list": (lambda: [[1], {"a": [2]}], lambda v: v[1]["a"].append(-1)),
    "tuple": (lambda: ([1], 2), lambda v: v[0].append(-1)),
    "dict": (lambda: {"a": {"b": {1}}}, lambda v: v["a"]["b"].add(-1)),
    "array": (lambda: np.arange(4.0), lambda v: v.fill(-1)),
    "shape of an array": (lambda: np.arange(4.0), lambda v: setattr(v, "shape", (2, 2))),
    "names of fields": (lambda: np.zeros(2, [("a", "i1")]), lambda v: setattr(v.dtype, "names", ("b",))),
    "a data type": (lambda: np.dtype([("a", "i1")]), lambda v: setattr(v, "names", ("b",))),
    "array of objects": (lambda: np.array([[1], [2, 3]], object), lambda v: v[0].append(-1)),
    "tensor": (lambda: torch.arange(4.0), lambda v: v.fill_(-1)),
    "tensor in a list": (lambda: [torch.arange(4.0)], lambda v: v[0].zero_()),
    "frame": (lambda: pd.DataFrame({"a": [1, 2], "l": [[1], [2]]}), spoil_frame),
    "series": (lambda: pd.Series([[1], [2]]), lambda v: v.iloc[0].append(-1)),
    "polars": (lambda: pl.DataFrame({"a": [1, 2]}), lambda v: v.insert_column(0, pl.Series("z", [0, 0]))),
    "polars series": (lambda: pl.Series("a", [1, 2]), lambda v: v.__setitem__(0, -1)),
    "picture": (lambda: Image.new("L", (2, 2)), lambda v: v.putpixel((0, 0), 9)),
    "what a picture's file said": (lambda: picture("PNG", dpi=(9, 9)), lambda v: v.info.clear()),
    "bytearray": (lambda: bytearray(b"ab"), lambda v: v.clear()),
    "dataclass": (Box, lambda v: v.items.append(-1)),
    "frozen with a list": (lambda: Frozen("a", [1]), lambda v: v.items.append(-1)),
}


@pytest.mark.parametrize("name", SPOILED)
def test_neither_the_given_nor_the_answered_value_reaches_what_is_kept(name):
    make, spoil = SPOILED[name]
    wanted = encode(make())
    value = make()
    kept, give = protect(value)
    spoil(value)
    assert encode(value) != wanted
    first = give(kept)
    assert encode(first) == wanted
    spoil(first)
    assert encode(give(kept)) == wanted
    assert type(give(kept)) is type(make()) or isinstance(make(), Image.Image)


@pytest.mark.parametrize(
    "value",
    [1, "a", b"a", None, (1, ("a", 2.0)), frozenset({1}), Frozen("a", (1, 2)), np.float32(1), len, int],
    ids=repr,
)
def test_what_cannot_be_changed_is_given_as_it_is(value):
    kept, give = protect(value)
    assert give(kept) is kept is value


@pytest.mark.parametrize("shape", [(3, 4), (0, 3), ()])
@pytest.mark.parametrize("order", ["C", "F"])
def test_read_only_arrays_can_not_be_made_writable(shape, order):
    value = np.ones(shape, order=order)
    kept, give = protect(value, "read-only")
    value.fill(2)
    given = give(kept)
    assert np.shares_memory(given, kept) or not given.size
    assert (given == 1).all()
    assert given.flags.f_contiguous == value.flags.f_contiguous
    with pytest.raises(ValueError, match="WRITEABLE"):
        given.setflags(write=True)
    with pytest.raises(ValueError, match="read-only"):
        given[...] = 3


@pytest.mark.parametrize("spoil", [lambda v: setattr(v, "shape", (4,)), lambda v: setattr(v, "dtype", np.int64)])
def test_read_only_arrays_have_a_shape_and_a_type_for_each_caller(spoil):
    kept, give = protect(np.ones((2, 2)), "read-only")
    spoil(give(kept))
    assert give(kept).shape == (2, 2)
    assert give(kept).dtype == np.float64


def test_read_only_arrays_have_names_of_fields_for_each_caller():
    value = np.zeros(2, [("a", "i1")])
    kept, give = protect(value, "read-only")
    value.dtype.names = ("b",)
    give(kept).dtype.names = ("c",)
    assert give(kept).dtype.names == ("a",)


def test_pictures_know_the_format_of_their_file():
    kept, give = protect(picture("JPEG"))
    assert give(kept).format == "JPEG"


def test_films_are_told():
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "GIF", save_all=True, append_images=[Image.new("L", (2, 2), 9)])
    with pytest.raises(UsageError, match="one frame"):
        protect(Image.open(file))


def test_memory_that_numpy_lent_is_not_shared():
    """polars and Arrow build on an array's memory without a copy."""
    array = np.arange(3.0)
    values = [pl.Series(array), pl.DataFrame({"a": array}), pa.table({"a": pa.array(array)}), pd.DataFrame(array)]
    protected = [protect(value) for value in values]
    array[:] = -1
    series, frame, table, pandas = (give(kept) for kept, give in protected)
    assert series.to_list() == frame["a"].to_list() == table["a"].to_pylist() == pandas[0].tolist() == [0, 1, 2]


def test_copies_hold_twice_what_was_held_twice():
    inner = [1]
    circle = {"a": inner, "b": inner}
    circle["self"] = circle
    kept, give = protect(circle)
    given = give(kept)
    assert given["a"] is given["b"] is not inner
    assert given["self"] is given


def test_tensors_keep_what_they_are_but_their_graph():
    leaf = torch.ones(2, requires_grad=True)
    kept, give = protect([leaf * 2, leaf, torch.nn.Parameter(leaf.detach())])
    made, again, parameter = give(kept)
    assert made.tolist() == [2, 2]
    assert made.is_leaf
    assert made.requires_grad
    assert again.requires_grad
    assert type(parameter) is torch.nn.Parameter


def test_arrays_keep_their_order_of_memory():
    value = np.asfortranarray(np.ones((3, 4)))
    kept, give = protect(value)
    assert give(kept).flags.f_contiguous


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), (n for n in "ab"), iter([1]), map(str, "a"), open(__file__, "rb"), [threading.Lock()]],  # noqa: SIM115
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_copied_is_told(value):
    with pytest.raises(UsageError, match="do not cache this function"):
        protect(value)


def test_objects_that_hold_what_cannot_be_copied_are_told():
    with pytest.raises(UsageError, match="do not cache this function"):
        protect(SimpleNamespace(held=threading.Lock()))

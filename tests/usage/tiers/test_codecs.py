"""Values come back from bytes as they were, with their types; what would not is not written."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evocache.errors import UsageError
from evocache.usage.keys.canonical import encode
from evocache.usage.tiers.codecs.codec import STANDARD, Codecs

SECRET = bytes(range(32))
CODECS = Codecs(secret=SECRET)


def returned(value, codecs=CODECS):
    """The format that a value is written in, and what comes back."""
    format, payload = codecs.encode(value)
    return format, codecs.decode(format, payload)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
KINDS = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.floating_dtypes(sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(sizes=(64, 128))
    | hnp.unicode_string_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
)
ARRAYS = hnp.arrays(KINDS, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3))


@given(JSON)
def test_json_comes_back(value):
    format, back = returned(value)
    assert format == "json"
    assert encode(back) == encode(value)


@given(st.binary())
def test_bytes_come_back(value):
    assert returned(value) == ("bytes", value)


@given(ARRAYS, st.booleans())
def test_arrays_come_back(value, turn):
    value = value.T if turn else value
    format, back = returned({"a": [value, 1], "b": (value, "x")})
    assert format == "tensors"
    assert encode(back) == encode({"a": [value, 1], "b": (value, "x")})
    assert back["b"][0].flags.f_contiguous == value.flags.f_contiguous
    assert back["b"][0].flags.writeable


@pytest.mark.parametrize(
    "dtype",
    ["float32", "bfloat16", "float16", "bool", "int64", "complex64", "complex128", "float8_e4m3fn", "uint8"],
)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)])
def test_tensors_come_back(dtype, shape):
    value = torch.ones(shape, dtype=torch.float32).to(getattr(torch, dtype))
    format, back = returned([value, {"t": value}])
    assert format == "tensors"
    assert encode(back) == encode([value, {"t": value}])


def test_tensors_keep_their_values_whatever_their_strides():
    value = torch.arange(6.0).reshape(2, 3).T
    assert encode(returned(value)[1]) == encode(value)
    leaf = torch.ones(2, requires_grad=True)
    assert returned(leaf)[1].requires_grad
    assert CODECS.encode(leaf * 2) is None


def test_scalars_of_numpy_keep_their_type():
    for value in (np.float32(1.5), np.int8(3), np.bool_(True), np.datetime64("2026-01-01")):
        back = returned(value)[1]
        assert type(back) is type(value)
        assert back == value


def test_files_are_what_safetensors_reads():
    array, tensor = np.arange(6.0).reshape(2, 3), torch.ones(3, dtype=torch.bfloat16)
    read = safetensors.torch.load(CODECS.encode([array, tensor])[1])
    assert torch.equal(read["0"], torch.from_numpy(array))
    assert torch.equal(read["1"], tensor)
    assert np.array_equal(safetensors.numpy.load(CODECS.encode(array)[1])["0"], array)


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"]), "d": [0.5, math.nan]})
FRAMES = {
    "frame": FRAME,
    "index": FRAME.set_index("b"),
    "levels": FRAME.set_index(["a", "c"]),
    "dates": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2026", periods=2, tz="UTC")),
    "empty": FRAME[["a", "b"]].iloc[:0],
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "series": FRAME["a"],
    "series without a name": FRAME["b"].rename(None),
    "polars": pl.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [[1], []], "d": [date(2026, 1, 1), None]}),
    "polars series": pl.Series("s", [1.5, None]),
    "polars empty": pl.DataFrame(),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_back(name):
    value = FRAMES[name]
    format, back = returned(value)
    assert format == ("polars" if name.startswith("polars") else "pandas")
    assert type(back) is type(value)
    assert encode(back) == encode(value)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2), {1: "a"}, {True: 1}, [{"a": (1,)}], "\ud800", {"\ud800": 1}, {1}, 1j, 10**5000, object(), bool,
        np.array([1], object), np.zeros(1, [("a", "i4")]), {1: np.zeros(1)}, pd.DataFrame({"o": [{1}, {2}]}),
        pd.DataFrame({"o": [1, "x"]}), pl.Series("o", [object()], pl.Object), bytearray(b"x"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_would_not_come_back_is_not_written(value):
    assert CODECS.encode(value) is None


def test_circles_are_not_written():
    circle: list[object] = []
    circle.append(circle)
    assert CODECS.encode(circle) is None


def test_pickles_only_where_they_are_asked_for():
    value = {1: {"a", 2}}
    assert "pickle" not in STANDARD
    assert returned(value, Codecs((*STANDARD, "pickle"), secret=SECRET)) == ("pickle", value)
    with pytest.raises(UsageError, match="codecs that the cache was written with"):
        CODECS.decode("pickle", b"")


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was read",)


def test_a_pickle_without_the_signature_is_never_read():
    codecs = Codecs(("pickle",), secret=SECRET)
    trap = pickle.dumps(Trap())
    signed = codecs.encode((1, 2))[1]
    stranger = Codecs(("pickle",), secret=SECRET[::-1]).encode((1, 2))[1]
    for tampered in (trap, bytes(32) + trap, signed[:32] + trap, signed[:-1], stranger, b""):
        with pytest.raises(UsageError, match="another signature"):
            codecs.decode("pickle", tampered)
    for place in range(len(signed)):
        flipped = bytearray(signed)
        flipped[place] ^= 1
        with pytest.raises(UsageError, match="another signature"):
            codecs.decode("pickle", bytes(flipped))


@given(st.sampled_from(STANDARD), st.binary(max_size=60))
def test_bytes_that_are_none_are_told(format, payload):
    try:
        value = CODECS.decode(format, payload)
    except UsageError:
        return
    assert format in ("bytes", "json")
    assert format == "bytes" or encode(json.loads(payload)) == encode(value)


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class CelsiusCodec:
    name = "celsius-1"

    def encodes(self, value):
        return type(value) is Celsius

    def dumps(self, value):
        return repr(value.degrees).encode()

    def loads(self, payload):
        return Celsius(float(payload))


def test_a_codec_of_a_users_own():
    format, back = returned(Celsius(21.5), Codecs((CelsiusCodec(), *STANDARD), secret=SECRET))
    assert (format, back.degrees) == ("celsius-1", 21.5)


@pytest.mark.parametrize("codecs", [("yaml",), ("json", "json"), (object(),)])
def test_codecs_that_are_none(codecs):
    with pytest.raises(UsageError):
        Codecs(codecs, secret=SECRET)


def test_tensors_are_read_where_torch_was_not_loaded(tmp_path):
    format, payload = CODECS.encode(torch.ones(2, dtype=torch.bfloat16))
    (tmp_path / "payload").write_bytes(payload)
    code = f"""
import sys
from evocache.usage.tiers.codecs.codec import Codecs
assert "torch" not in sys.modules
print(Codecs(secret=bytes(32)).decode({format!r}, open("payload", "rb").read()))
"""
    env = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    assert done.stdout.strip() == "tensor([1., 1.], dtype=torch.bfloat16)"

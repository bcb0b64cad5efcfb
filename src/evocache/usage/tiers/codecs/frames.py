"""Frames and series of pandas and polars, as streams of Arrow."""

from __future__ import annotations

import io
import json
import sys
from importlib import import_module
from typing import Any

from ....errors import UsageError
from ....extras import optional
from ...keys.canonical import encode

_NOTE = b"evocache"
"""Entry of a schema's metadata that says what Arrow does not."""


class PandasCodec:
    """Frames and series of pandas with their index, where Arrow gives all their types back.

    pyarrow is needed. A column of Python objects that are not texts does not come back as it was, and is not encoded.
    """

    name = "pandas"

    def encodes(self, value: Any) -> bool:
        """Return whether it is a frame or series that comes back the same: it is written and read to see that."""
        pd = sys.modules.get("pandas")
        if pd is None or type(value) not in (pd.DataFrame, pd.Series) or value.attrs:
            return False
        try:
            return encode(self.loads(self.dumps(value))) == encode(value)
        except (UsageError, ValueError, TypeError):  # Arrow's own are ValueError and TypeError
            return False

    def dumps(self, value: Any) -> bytes:
        """Return a stream of Arrow; a series is a frame of one column."""
        pa, pd = optional("pyarrow"), sys.modules["pandas"]
        series = type(value) is pd.Series
        frame = value.to_frame("value") if series else value
        note = {"series": series, "name": value.name if series else None}
        note["freq"] = getattr(value.index, "freqstr", None)
        table = pa.Table.from_pandas(frame, preserve_index=None)
        table = table.replace_schema_metadata({**table.schema.metadata, _NOTE: json.dumps(note).encode()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())

    def loads(self, payload: bytes) -> Any:
        """Return the frame or series."""
        import_module("pandas")
        table = optional("pyarrow").ipc.open_stream(payload).read_all()
        note = json.loads(table.schema.metadata[_NOTE])
        frame = table.to_pandas()
        if note["freq"] is not None and hasattr(frame.index, "freq"):
            frame.index.freq = note["freq"]
        return frame["value"].rename(note["name"]) if note["series"] else frame


class PolarsCodec:
    """Frames and series of polars."""

    name = "polars"

    def encodes(self, value: Any) -> bool:
        """Return whether it is a frame or series without Python objects."""
        pl = sys.modules.get("polars")
        if pl is None or type(value) not in (pl.DataFrame, pl.Series):
            return False
        return pl.Object not in (value.dtypes if type(value) is pl.DataFrame else [value.dtype])

    def dumps(self, value: Any) -> bytes:
        """Return one byte that says whether it is a series, and a stream of Arrow."""
        series = type(value) is sys.modules["polars"].Series
        stream: bytes = (value.to_frame() if series else value).write_ipc_stream(None).getvalue()
        return (b"s" if series else b"f") + stream

    def loads(self, payload: bytes) -> Any:
        """Return the frame or series."""
        frame = import_module("polars").read_ipc_stream(io.BytesIO(payload[1:]))
        return frame.to_series() if payload[:1] == b"s" else frame

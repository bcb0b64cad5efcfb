"""What a codec is, and which of them writes a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ....errors import DependencyError, UsageError, short
from .frames import PandasCodec, PolarsCodec
from .pickled import PickleCodec
from .plain import BytesCodec, JsonCodec
from .tensors import TensorsCodec


class Codec(Protocol):
    """Writes some values as bytes. A user's own needs these four names.

    Attributes:
        name: the format's name, up to 40 ASCII characters; another one where the format changes.
    """

    @property
    def name(self) -> str:
        """The format's name."""

    def encodes(self, value: Any) -> bool:
        """Return whether `loads(dumps(value))` is the value again, with its type."""

    def dumps(self, value: Any) -> bytes:
        """Return a value's bytes."""

    def loads(self, payload: bytes) -> Any:
        """Return the value of bytes; any exception means that they are none."""


STANDARD = ("bytes", "json", "tensors", "pandas", "polars")
"""Codecs that are tried in this order where no others are named."""

_MAKERS: dict[str, Callable[[bytes], Codec]] = {
    "bytes": lambda secret: BytesCodec(),
    "json": lambda secret: JsonCodec(),
    "tensors": lambda secret: TensorsCodec(),
    "pandas": lambda secret: PandasCodec(),
    "polars": lambda secret: PolarsCodec(),
    "pickle": PickleCodec,
}


class Codecs:
    """Some codecs, the first of which that encodes a value writes it.

    Args:
        codecs: names, of `STANDARD` or `"pickle"`, and codecs of a user's own; a text is one name. Pickles are read
            only with a signature by the secret; a tier that machines share takes none.
        secret: the installation's secret.

    Raises:
        UsageError: for a name of no codec, or one that is there twice.
    """

    def __init__(self, codecs: Sequence[str | Codec] = STANDARD, *, secret: bytes) -> None:
        self._codecs: dict[str, Codec] = {}
        for given in (codecs,) if isinstance(codecs, str) else codecs:
            if isinstance(given, str) and given not in _MAKERS:
                raise UsageError(f"codec {short(given)}", f"one of {', '.join(_MAKERS)}", "check its name")
            codec = _MAKERS[given](secret) if isinstance(given, str) else given
            if not all(hasattr(codec, name) for name in ("name", "encodes", "dumps", "loads")):
                mend = "give the object these names, or name a codec of evocache's"
                raise UsageError(f"a codec of type {type(codec).__name__}", "name, encodes, dumps, loads", mend)
            if codec.name in self._codecs or not (codec.name.isascii() and 0 < len(codec.name) <= 40):
                mend = "give each codec a name of its own"
                raise UsageError(f"a codec named {short(codec.name)}", "a name of 1 to 40 ASCII characters", mend)
            self._codecs[codec.name] = codec

    def encode(self, value: Any) -> tuple[str, bytes] | None:
        """Return the format and the bytes of a value, or `None` if no codec gives exactly it back."""
        for name, codec in self._codecs.items():
            try:
                if codec.encodes(value):
                    return name, codec.dumps(value)
            except (RecursionError, DependencyError):  # circles, or a library that is not there
                continue
        return None

    def decode(self, format: str, payload: bytes) -> Any:
        """Return the value of bytes.

        Raises:
            UsageError: if no codec of that name is in use, or if it does not know the bytes.
        """
        codec = self._codecs.get(format)
        if codec is None:
            mend = "use the codecs that the cache was written with"
            raise UsageError(f"an answer in format {short(format)}", f"one of {', '.join(self._codecs)}", mend)
        try:
            return codec.loads(payload)
        except Exception as error:
            given = f"{len(payload)} bytes in format {format} ({type(error).__name__}: {error})"
            raise UsageError(given, "bytes that this codec wrote", "compute the answer again") from error

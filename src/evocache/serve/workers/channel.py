"""Messages between two processes: a header in JSON and raw bytes, whole or not at all, and nothing that is code."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

MOST_HEADER, MOST_BLOB, MOST_BLOBS = 1 << 26, 1 << 33, 1 << 8
"""Most bytes of a header and of a blob, and most blobs: more is no message."""

_LENGTH = struct.Struct("!I")


class Message(NamedTuple):
    """What one process tells another.

    Attributes:
        header: what JSON can say; `kind` says what it is.
        blobs: bytes that come with it.
    """

    header: Mapping[str, Any]
    blobs: Sequence[bytes] = ()


class Channel:
    """Sends and receives messages over a connected socket; threads may share it, as long as one of them receives.

    Args:
        connection: the socket, which it closes.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message; wait until the other side has taken most of it.

        Raises:
            OSError: if the other side is gone.
        """
        sizes = [len(blob) for blob in message.blobs]
        header = json.dumps({**message.header, "sizes": sizes}).encode()
        with self._sending:
            self._connection.sendall(_LENGTH.pack(len(header)) + header)
            for blob in message.blobs:
                self._connection.sendall(blob)

    def receive(self) -> Message:
        """Wait for a message.

        Raises:
            EOFError: if the other side is gone, perhaps in the middle of a message, or sends what is none.
        """
        try:
            (length,) = _LENGTH.unpack(self._read(_LENGTH.size, _LENGTH.size))
            header = json.loads(self._read(length, MOST_HEADER))
            sizes = header.pop("sizes")
            if len(sizes) > MOST_BLOBS:
                raise EOFError(f"{len(sizes)} blobs, of at most {MOST_BLOBS}")
            return Message(header, [self._read(size, MOST_BLOB) for size in sizes])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EOFError(f"no message: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End it, for both sides; who waits for a message is told."""
        with suppress(OSError):  # the other side was first
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _read(self, size: int, most: int) -> bytes:
        if not 0 <= size <= most:
            raise EOFError(f"{size} bytes, of at most {most}")
        found = bytearray(size)
        left = memoryview(found)
        while left:
            count = self._connection.recv_into(left)
            if not count:
                raise EOFError("the other side is gone")
            left = left[count:]
        return bytes(found)

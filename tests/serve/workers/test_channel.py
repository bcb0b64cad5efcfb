"""Messages between processes: whole or not at all, and what is none is refused."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from evocache.serve.workers import channel as channels
from evocache.serve.workers.channel import Channel, Message


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    one, other = socket.socketpair()
    with other:
        channel = Channel(one)
        yield channel, other
        channel.close()


def test_messages_of_many_threads_arrive_whole(pair: tuple[Channel, socket.socket]) -> None:
    sender, other = pair
    receiver, count = Channel(other), 40

    def send(number: int) -> None:
        for at in range(count):
            blobs = [bytes([number]) * (at * 997), b"", bytes([at])]
            sender.send(Message({"kind": "x", "number": number, "at": at}, blobs))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    seen: dict[int, list[int]] = {number: [] for number in range(5)}
    for _ in range(5 * count):
        header, blobs = receiver.receive()
        number, at = header["number"], header["at"]
        assert blobs == [bytes([number]) * (at * 997), b"", bytes([at])]
        seen[number].append(at)
    assert all(found == list(range(count)) for found in seen.values())
    for thread in threads:
        thread.join()


def framed(header: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("!I", len(header)) + header + rest


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00\x00",
        framed(b'{"kind": "x", "sizes": [10]}', b"short"),
        framed(b"no json"),
        framed(b"[1]"),
        framed(b'{"kind": "x"}'),
        framed(b'{"kind": "x", "sizes": [-1]}'),
        framed(b'{"kind": "x", "sizes": ["a"]}'),
        framed(json.dumps({"sizes": [0] * (channels.MOST_BLOBS + 1)}).encode()),
        framed(json.dumps({"sizes": [channels.MOST_BLOB + 1]}).encode()),
        struct.pack("!I", channels.MOST_HEADER + 1),
    ],
)
def test_what_is_no_message_ends_it(pair: tuple[Channel, socket.socket], sent: bytes) -> None:
    channel, other = pair
    other.sendall(sent)
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        channel.receive()


def test_who_waits_is_told_of_the_end_and_nothing_is_sent_after_it(pair: tuple[Channel, socket.socket]) -> None:
    channel, _ = pair
    raised = threading.Event()

    def wait() -> None:
        with pytest.raises(EOFError):
            channel.receive()
        raised.set()

    thread = threading.Thread(target=wait)
    thread.start()
    channel.close()
    assert raised.wait(30)
    thread.join()
    with pytest.raises(OSError, match=r"descriptor|pipe"):
        channel.send(Message({"kind": "x"}))

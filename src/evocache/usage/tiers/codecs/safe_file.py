"""The safetensors file format: a JSON header, and the memory of named arrays one after the other.

Written here because the library's own way takes arrays of one framework, and loads that framework. Source: the format's
specification in the documentation of safetensors.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

TYPES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4,
    "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
"""Types of items, and their bytes."""


@dataclass(frozen=True, slots=True)
class Block:
    """The memory of one array.

    Attributes:
        type: of its items, one of `TYPES`.
        shape: its shape, in the order of rows.
        data: its memory.
    """

    type: str
    shape: tuple[int, ...]
    data: bytes


def write(blocks: list[Block], note: str) -> bytes:
    """Return a file of arrays that are named by their numbers.

    Args:
        blocks: the arrays.
        note: a text that goes with them.
    """
    header: dict[str, object] = {"__metadata__": {"evocache": note}}
    end = 0
    for number, block in enumerate(blocks):
        begin, end = end, end + len(block.data)
        header[str(number)] = {"dtype": block.type, "shape": block.shape, "data_offsets": (begin, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((struct.pack("<Q", len(text)), text, *(block.data for block in blocks)))


def read(content: bytes) -> tuple[list[Block], str]:
    """Return the arrays of a file, and the text that went with them.

    Raises:
        ValueError: if it is no such file.
    """
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    note = header.pop("__metadata__")["evocache"]
    memory = memoryview(content)[8 + length :]
    blocks = []
    for number in range(len(header)):
        entry = header[str(number)]
        begin, end = entry["data_offsets"]
        blocks.append(Block(entry["dtype"], tuple(entry["shape"]), bytes(memory[begin:end])))
    if sum(len(block.data) for block in blocks) != len(memory):
        raise ValueError("a file of another length than its header says")
    return blocks, note

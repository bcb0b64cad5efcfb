"""Mooncake's traces (Qin et al., FAST 2025): arrivals, tokens, and hashes of the blocks that prompts begin with.

A line of JSON a request: `timestamp` in milliseconds, `input_length`, `output_length`, and `hash_ids`, one for each
block of 512 tokens. Two prompts that share ids share a beginning, so that a cache of blocks is asked for each of them.
A later block is of use only where those before it are held, which is left out here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evocache.usage.policies.trace import Trace

from .arrivals import Arrivals, TraceError, nobody

FILES = "*_trace.jsonl"
BLOCK = 512
"""Tokens of a block."""


def read_mooncake(path: Path, most: int = 200_000) -> Arrivals:
    """Read the arrivals of a file, and the first blocks that a cache is asked for.

    Args:
        path: the file.
        most: look-ups that are kept.

    Raises:
        TraceError: if a line is wrong.
    """
    times: list[float] = []
    keys: list[int] = []
    for line, row in _rows(path):
        try:
            times.append(float(row["timestamp"]) / 1000)
            blocks = [int(block) for block in row["hash_ids"]]
            int(row["input_length"]), int(row["output_length"])
        except (KeyError, TypeError, ValueError) as error:
            raise TraceError(f"{path.name}, line {line}: {error!r}") from None
        keys += blocks[: most - len(keys)]
    lookups = Trace.of(np.array(keys, np.int64) + 1, size=BLOCK) if keys else None
    seconds = np.sort(np.array(times, np.float64))
    return Arrivals(f"mooncake {path.stem.removesuffix('_trace')}", seconds, nobody(), lookups, "tokens")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                try:
                    row = json.loads(text)
                except ValueError as error:
                    raise TraceError(f"{path.name}, line {line}: {error}") from None
                if not isinstance(row, dict):
                    raise TraceError(f"{path.name}, line {line}: expected an object")
                yield line, row

"""Azure's trace of LLM inference, 2023 (Patel et al., Splitwise, ISCA 2024): arrivals and tokens, no users, no keys.

CSV with the header `TIMESTAMP,ContextTokens,GeneratedTokens`; times are UTC, such as `2023-11-16 18:17:03.9799600`.
"""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from .arrivals import Arrivals, TraceError, nobody

FILES = "AzureLLMInferenceTrace_*.csv"
HEADER = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]


def read_azure(path: Path) -> Arrivals:
    """Read the arrivals of a file.

    Raises:
        TraceError: if it has another header, or a line is wrong.
    """
    times: list[float] = []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != HEADER:
            raise TraceError(f"{path.name}, line 1: expected {','.join(HEADER)}")
        for row in filter(None, rows):
            try:
                text, context, generated = row
                int(context), int(generated)
                times.append(read_time(text))
            except ValueError as error:
                raise TraceError(f"{path.name}, line {rows.line_num}: {error}") from None
    seconds = np.sort(np.array(times, np.float64))
    return Arrivals(path.stem, seconds - seconds[:1].sum(), nobody())


def read_time(text: str) -> float:
    """Return the seconds since 1970 of a time with up to seven digits behind the point."""
    whole, _, fraction = text.partition(".")
    seconds = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return seconds + float(f"0.{fraction or 0}")

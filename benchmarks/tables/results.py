"""The committed results, as they were measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def results(name: str) -> dict[str, Any]:
    """Read a committed result."""
    read: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return read

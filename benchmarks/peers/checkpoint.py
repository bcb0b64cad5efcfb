"""What has been measured, line by line, so that a broken-off run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Checkpoint:
    """JSON lines in a file; each has a `key`, which says all that its figures depend on. A torn line is ignored."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Lines written so far."""
        if not self.file.exists():
            return
        for line in self.file.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def find(self, key: str) -> dict[str, Any] | None:
        """The last line of a key."""
        found = None
        for line in self.lines():
            if line.get("key") == key:
                found = line
        return found

    def add(self, key: str, line: dict[str, Any]) -> None:
        """Write a line."""
        torn = self.file.exists() and not self.file.read_bytes().endswith(b"\n") and self.file.stat().st_size > 0
        with self.file.open("a") as out:
            out.write(("\n" if torn else "") + json.dumps({"key": key, **line}) + "\n")


def key_of(**settings: Any) -> str:
    """A key of settings."""
    return json.dumps(settings, sort_keys=True)

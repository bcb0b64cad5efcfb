"""What features may be stored in, by name."""

from __future__ import annotations

from ...errors import InputError

STORAGES = ("none", "bf16", "fp8", "int8")
"""What features may be stored in (`memory.quantization.CODINGS`, which takes torch to be read)."""


def check_storage(names: str | None) -> str | None:
    """Check names of what features are stored in, with commas between them, without loading anything.

    Raises:
        InputError: if there is no such storage.
    """
    for name in (names or "none").split(","):
        if name.strip() not in STORAGES:
            raise InputError(f"storage {name.strip()!r}", f"one of {', '.join(STORAGES)}", "choose one with --storage")
    return names

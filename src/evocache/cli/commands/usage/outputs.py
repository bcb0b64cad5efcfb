"""Files that the commands of `evocache usage` write; what cannot be written is told before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....errors import InputError, nearest


def check_out(path: Path | None, endings: Sequence[str]) -> None:
    """Refuse a file whose ending says nothing that can be written, or that is in no folder.

    Raises:
        InputError: if it is such a file.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        near = nearest(path.suffix.lower(), endings)
        mend = f"did you mean {path.stem}{near}?" if near else f"--out {path.stem or 'report'}{endings[0]}"
        raise InputError(f"--out {path}", f"a file that ends in {' or '.join(endings)}", mend)
    if path.is_dir() or not path.parent.is_dir():
        where = "a folder" if path.is_dir() else "in no folder"
        raise InputError(f"{str(path)!r}, {where}", "a file in a folder that is there", "choose another --out")


def write_out(path: Path | None, text: str) -> None:
    """Write a file, if one is asked for.

    Raises:
        InputError: if it cannot be written.
    """
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        why = (error.strerror or "cannot be written").lower()
        raise InputError(f"{str(path)!r} ({why})", "a file that can be written", "choose another --out") from None

"""Claims: a run belongs to one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RunError


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Within the context, no other process can claim the folder; a claim ends with its process, however that ends.

    Raises:
        RunError: if another process has claimed it, or there is no such folder.
    """
    try:
        file = os.open(folder, os.O_RDONLY)
    except OSError as error:
        why = (error.strerror or "cannot be opened").lower()
        raise RunError(f"{folder} ({why})", "the folder of a run", "choose another folder") from None
    try:
        claim(file, folder)
        yield
    finally:
        os.close(file)


def claim(file: int, path: Path) -> None:
    """Lock an open file or folder until it is closed.

    Raises:
        RunError: if it is locked already.
    """
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(
            f"{path}, in use by another process", "a run that nobody else works on", "wait, or use another folder"
        ) from None
    except OSError:
        pass  # a file system without locks: nobody is kept out

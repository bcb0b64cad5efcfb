"""Claims: a run belongs to one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import RunError

LOCK = ".lock"
"""The file in a run's folder that is locked while a process works on the run."""


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Claim the folder within the context, so that no other process can; the claim ends with this process.

    Raises:
        RunError: if another process has claimed it, or there is no such folder.
    """
    if not folder.is_dir():
        given = f"{folder} ({'a file' if folder.exists() else 'no such file or directory'})"
        raise RunError(given, "the folder of a run", "choose another folder")
    lock = acquire_lock(folder / LOCK, folder)
    try:
        yield
    finally:
        lock.release()


def acquire_lock(file: Path, what: Path) -> FileLock:
    """Lock a file, which is made if it is not there, until it is released or this process ends.

    Args:
        file: the file to lock.
        what: what is claimed by that, to name it.

    Raises:
        RunError: if another process has locked it, or it cannot be made.
    """
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(
            f"{what}, in use by another process", "a run that nobody else works on", "wait, or use another folder"
        ) from None
    except OSError as error:
        why = (error.strerror or "cannot be locked").lower()
        raise RunError(f"{what} ({why})", "a folder that can be written", "choose another folder") from None
    return lock

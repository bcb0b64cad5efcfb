"""Results as files: each is whole or absent, and is named by its job's id, never by what a request says."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...errors import JobError, QuotaError, StoreError, short
from .record import JobRecord, ResultFile

ENDINGS = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
}
"""Ends of names by media type."""

_NAME = re.compile(r"(?P<id>(?:video|picture)_[0-9a-f]{32})\.[0-9]+\.[a-z]+(?:-[0-9]+)?\.[a-z0-9]+\Z")
_PART = re.compile(r"\.?part-[0-9a-f]{16}-")  # with a dot: the draft of a film, beside its part
_VARIANT = re.compile(r"[a-z]+(?:-[0-9]+)?\Z")


class ResultFiles:
    """A folder of results, with a folder for each tenant; for its owner alone. Threads and servers may share it.

    A file is named by the job, its attempt and what it is, as `video_4f0c....1.video.mp4`: an attempt that was given up
    and comes back late writes into no other's file.

    Args:
        folder: where; it is made if it is not there.

    Raises:
        StoreError: if it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with _told(folder, "made"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, job: JobRecord, variant: str, media_type: str, data: bytes) -> ResultFile:
        """Keep bytes as a file of a job's result; see `make`."""
        return self.make(job, variant, media_type, lambda path: _write(path, data))

    def make(self, job: JobRecord, variant: str, media_type: str, write: Callable[[Path], object]) -> ResultFile:
        """Have a file of a job's result written, and keep it: it survives a power cut once this returns.

        Args:
            job: as `JobRuns.begin` returned it.
            variant: which part of the result it is: letters, and a number if there are several, as `picture-0`.
            media_type: one of `ENDINGS`.
            write: writes to the path that it is given, whose name ends as the media type says.

        Returns:
            What `Result.files` takes.

        Raises:
            JobError: if variant or media type are none of these.
            QuotaError: if the disk is full.
            StoreError: if the file cannot be written.
        """
        if not _VARIANT.match(variant) or media_type not in ENDINGS:
            expected = f"letters, a number at most, and one of {', '.join(ENDINGS)}"
            raise JobError(f"{short(variant)} of {short(media_type)}", expected, "name it as in `picture-0`")
        folder = self._folder_of(job.tenant)
        name = f"{job.id}.{job.attempts}.{variant}.{ENDINGS[media_type]}"
        part = folder / f"part-{secrets.token_hex(8)}-{name}"
        try:
            with _told(part, "written"):
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
                    _sync(self.folder)
                os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                write(part)
                part.chmod(0o600)
                size = part.stat().st_size
                _sync(part)
                os.replace(part, folder / name)
                _sync(folder)
        finally:
            part.unlink(missing_ok=True)
        return ResultFile(name, variant, size, media_type)

    def path(self, job: JobRecord, variant: str) -> Path:
        """Return where a part of a job's result is.

        Raises:
            JobError: if the job has no such part.
            StoreError: if the file is gone, or is not as it was written.
        """
        for file in job.result.files if job.result is not None else ():
            if file.variant == variant:
                return self._checked(job, file)
        had = ", ".join(file.variant for file in job.result.files) if job.result is not None else job.state
        raise JobError(f"variant {short(variant)} of a job", f"what it has: {had}", "ask for one of these")

    def _checked(self, job: JobRecord, file: ResultFile) -> Path:
        found = _NAME.match(file.name)
        path = self._folder_of(job.tenant) / file.name
        with _told(path, "read"):
            if found is None or found["id"] != job.id or path.is_symlink() or path.stat().st_size != file.bytes:
                raise StoreError(
                    f"{path}, which is not the file that was written",
                    f"a file of {file.bytes} bytes of the job's own",
                    "delete the job, and ask for it again",
                )
        return path

    def read(self, job: JobRecord, variant: str) -> bytes:
        """Return the bytes of a part of a job's result; raises as `path` does."""
        path = self.path(job, variant)
        with _told(path, "read"):
            return path.read_bytes()

    def delete(self, job: JobRecord) -> None:
        """Delete all files of a job, of each attempt. Delete its row before them."""
        self._delete(job.tenant, f"{job.id}.*")

    def discard(self, job: JobRecord) -> None:
        """Delete the files of one attempt, whose job is somebody else's by now."""
        self._delete(job.tenant, f"{job.id}.{job.attempts}.*")

    def _delete(self, tenant: str, pattern: str) -> None:
        folder = self._folder_of(tenant)
        with _told(folder, "deleted from"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)

    def sweep(self, named: Callable[[Iterable[str]], Mapping[str, frozenset[str]]], before: float) -> int:
        """Delete what nobody will ask for: files that no row names, and parts of files, of servers that died.

        Args:
            named: takes ids of jobs, and returns the names of files that their rows name, by id.
            before: seconds since 1970; files that were written later are left, since their rows may not be written yet.

        Returns:
            How many were deleted. Files of other names are left: they are not of this folder's making.
        """
        gone = 0
        with _told(self.folder, "swept"):
            for folder in [path for path in self.folder.iterdir() if path.is_dir()]:
                old = [path for path in folder.iterdir() if _changed(path) < before]
                ids = {path: found["id"] for path in old if (found := _NAME.match(path.name))}
                rows = named(sorted({*ids.values()})) if ids else {}
                lost = [path for path, id in ids.items() if path.name not in rows.get(id, frozenset())]
                for path in [*lost, *(path for path in old if _PART.match(path.name))]:
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone

    def _folder_of(self, tenant: str) -> Path:
        return self.folder / hashlib.sha256(f"results of {tenant}".encode()).hexdigest()[:32]


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _changed(path: Path) -> float:
    """Return when a file was last written; of one that has gone meanwhile, that it is new."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _told(path: Path, done: str) -> Iterator[None]:
    """Turn errors of files into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise QuotaError(
                f"{path}, for which the disk is full", "room on the disk", "delete jobs, or wait until old ones leave"
            ) from error
        raise StoreError(
            f"{path}, which could not be {done}: {type(error).__name__} {error.strerror}",
            "a folder that is there and may be written to",
            "look after it, and try again",
        ) from error

"""Results as files: whole or absent, private, and named by ids."""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evocache.errors import JobError, QuotaError, StoreError
from evocache.serve.jobs.files import ResultFiles
from evocache.serve.jobs.record import JobRecord, Result, ResultFile
from tests.serve.jobs.records import record

LATER = time.time() + 3600.0


@pytest.fixture
def files(fast_folder: Path) -> ResultFiles:
    return ResultFiles(fast_folder / "results")


def running(**values: object) -> JobRecord:
    return record(state="running", attempts=1, **values)


def done(job: JobRecord, *kept: ResultFile) -> JobRecord:
    return replace(job, state="done", result=Result(kept))


def names(files: ResultFiles) -> list[str]:
    return sorted(path.name for path in files.folder.rglob("*") if path.is_file())


def test_what_was_kept_is_read(files):
    job = running()
    film = files.keep(job, "video", "video/mp4", b"film" * 1000)
    still = files.make(job, "thumbnail", "image/webp", lambda path: path.write_bytes(b"still"))
    assert film == ResultFile(f"{job.id}.1.video.mp4", "video", 4000, "video/mp4")
    assert still == ResultFile(f"{job.id}.1.thumbnail.webp", "thumbnail", 5, "image/webp")
    job = done(job, film, still)
    assert files.read(job, "video") == b"film" * 1000
    assert files.path(job, "thumbnail").read_bytes() == b"still"
    assert ResultFiles(files.folder).read(job, "thumbnail") == b"still"


def test_files_are_for_their_owner_alone(files):
    files.keep(running(), "video", "video/mp4", b"film")
    paths = [files.folder, *files.folder.rglob("*")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o700, 0o600]


def test_tenants_have_folders_of_their_own_that_do_not_name_them(files):
    for tenant in ("acme", "../../etc", "a/b", "여우", ""):
        job = running(tenant=tenant)
        assert files.read(done(job, files.keep(job, "video", "video/mp4", b"x")), "video") == b"x"
    folders = [path.relative_to(files.folder).parts for path in files.folder.rglob("*.mp4")]
    assert len(folders) == len({folder for folder, _ in folders}) == 5
    assert all(len(bytes.fromhex(folder)) == 16 for folder, _ in folders)


def test_a_file_that_was_not_written_to_its_end_is_absent(files):
    job = running()

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.make(job, "video", "video/mp4", fail)
    assert names(files) == []


def test_an_old_file_stays_until_the_new_one_is_whole(files):
    """Its readers see the one or the other."""
    job = running()
    kept = files.keep(job, "video", "video/mp4", b"first")

    def look(path: Path) -> None:
        path.write_bytes(b"sec")
        assert files.read(done(job, kept), "video") == b"first"
        path.write_bytes(b"second")

    assert files.read(done(job, files.make(job, "video", "video/mp4", look)), "video") == b"second"


def test_what_is_kept_is_on_the_disk_before_it_has_its_name(files, monkeypatch):
    """The file is synced before it is renamed, its folder after it."""
    order: list[str] = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append(os.readlink(f"/proc/self/fd/{file}")), sync(file)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("renamed"), rename(a, b)))
    job = running()
    files.keep(job, "video", "video/mp4", b"film")
    made, part, renamed, folder = order
    assert made == str(files.folder.resolve())
    assert (Path(part).name.startswith("part-"), renamed) == (True, "renamed")
    assert Path(folder) == Path(part).parent


@pytest.mark.parametrize(
    ("variant", "media_type"),
    [("../x", "video/mp4"), ("a.b", "video/mp4"), ("", "video/mp4"), ("video\n", "video/mp4"), ("video", "text/html")],
)
def test_no_path_comes_from_a_request(files, variant, media_type):
    with pytest.raises(JobError, match="picture-0"):
        files.keep(running(), variant, media_type, b"x")
    assert names(files) == []


def test_a_part_that_a_job_has_not_is_told_with_those_that_it_has(files):
    job = running()
    with pytest.raises(JobError, match="running"):
        files.path(job, "video")
    job = done(job, files.keep(job, "video", "video/mp4", b"x"))
    with pytest.raises(JobError, match="what it has: video"):
        files.path(job, "spritesheet")


@pytest.mark.parametrize("harm", ["gone", "cut", "link"])
def test_a_file_that_is_not_as_it_was_written_is_not_given(files, fast_folder, harm):
    job = running()
    job = done(job, files.keep(job, "video", "video/mp4", b"film"))
    path = files.path(job, "video")
    if harm == "cut":
        path.write_bytes(b"fil")
    else:
        path.unlink()
    if harm == "link":
        (fast_folder / "secret").write_bytes(b"word")
        path.symlink_to(fast_folder / "secret")
    with pytest.raises(StoreError):
        files.read(job, "video")


def test_a_row_that_names_the_file_of_another_job_is_not_followed(files):
    other = running()
    kept = files.keep(other, "video", "video/mp4", b"film")
    with pytest.raises(StoreError):
        files.read(done(running(), kept), "video")
    with pytest.raises(StoreError):
        files.read(done(other, replace(kept, name="../" + kept.name)), "video")


def test_a_full_disk_is_told(files, monkeypatch):
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(QuotaError, match="full"):
        files.make(running(), "video", "video/mp4", full)
    assert names(files) == []


def test_files_of_a_job_are_deleted_and_of_no_other(files):
    job, other = running(), running()
    kept = files.keep(other, "video", "video/mp4", b"other")
    for attempt in (1, 2, 11):
        files.keep(replace(job, attempts=attempt), "video", "video/mp4", b"film")
        files.keep(replace(job, attempts=attempt), "thumbnail", "image/png", b"still")
    files.discard(replace(job, attempts=1))
    assert len(names(files)) == 5
    files.delete(job)
    assert names(files) == [kept.name]
    files.delete(job)
    files.delete(running(tenant="unknown"))


def test_orphans_are_swept_and_nothing_else(files):
    """An orphan has no row that names it; the file of a late attempt is one, too."""
    job, lost, other = running(), running(), running(tenant="other")
    kept = files.keep(job, "video", "video/mp4", b"kept")
    files.keep(replace(job, attempts=2), "video", "video/mp4", b"late")
    files.keep(lost, "video", "video/mp4", b"lost")
    files.keep(other, "video", "video/mp4", b"lost, too")
    folder = files.path(done(job, kept), "video").parent
    for name in (f"part-0123456789abcdef-{job.id}.1.video.mp4", "README.txt", "part-of-a-diary.txt"):
        (folder / name).write_bytes(b"half")
    (files.folder / "notes.txt").write_bytes(b"mine")
    asked: list[str] = []

    def named(ids):
        asked.extend(ids)
        return {job.id: frozenset({kept.name})}

    assert files.sweep(named, time.time() - 3600.0) == 0, "they are young"
    assert files.sweep(named, LATER) == 4
    assert sorted(asked) == sorted([job.id, lost.id, other.id])
    assert names(files) == sorted([kept.name, "README.txt", "part-of-a-diary.txt", "notes.txt"])
    assert files.sweep(named, LATER) == 0

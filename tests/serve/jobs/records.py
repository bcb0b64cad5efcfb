"""Records of jobs for tests."""

from __future__ import annotations

from typing import Any

from evocache.serve.jobs.record import JobRecord, Result, ResultFile, new_id

MINE = ("acme", "acme/key-1")
"""Tenant and owner of the jobs of tests."""


class Clock:
    """Returns the time that it was set to, in seconds since 1970."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(**values: Any) -> JobRecord:
    """A queued video."""
    tenant, owner = MINE
    values = {"kind": "video", "tenant": tenant, "owner": owner, "model": "emoji-motion", "seed": 7, **values}
    values = {"request": '{"prompt": "a fox"}', "created": 1000.25, **values}
    return JobRecord(**{"id": new_id(values["kind"]), **values})


def result(job: JobRecord, size: int = 10) -> Result:
    """A result of one file, which is not there."""
    return Result((ResultFile(f"{job.id}.{job.attempts}.video.mp4", "video", size, "video/mp4"),), '{"point": 2}')


def added(store, **values):
    """Add a job to a store, and return it."""
    job = record(**values)
    store.add(job)
    return job

"""What is told of everything that is promised, videos and pictures alike."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel

from ...jobs.record import JobRecord

Status = Literal["queued", "in_progress", "completed", "failed"]

STATUS: dict[str, Status] = {
    "queued": "queued",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
}
"""What clients call the states of jobs."""


class PromiseError(BaseModel):
    """Why something that was promised failed."""

    code: str
    message: str


def fields_of(job: JobRecord, progress: int) -> dict[str, Any]:
    """Return the fields that the bodies of all jobs have.

    Args:
        job: the job.
        progress: of 100.
    """
    error = None if job.error is None else PromiseError(code=job.error.code, message=job.error.text)
    return {
        "id": job.id,
        "model": job.model,
        "status": STATUS[job.state],
        "progress": 100 if job.state == "done" else progress,
        "created_at": int(job.created),
        "completed_at": int(job.ended) if job.state == "done" and job.ended is not None else None,
        "expires_at": None if job.expires is None else int(job.expires),
        "error": error,
        "evocache": None if job.result is None else json.loads(job.result.details),
    }

"""Records of jobs as rows of a database, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .record import Failure, JobRecord, Point, Result, ResultFile

PLAIN = (
    *("id", "kind", "tenant", "owner", "user", "state", "model", "request", "seed", "attempts", "crashes", "progress"),
    *("created", "started", "ended", "expires", "bytes", "remixed_from"),
)
"""Columns that hold what the record holds."""


def to_row(record: JobRecord) -> dict[str, Any]:
    """Return the columns of a job."""
    return {
        **{name: getattr(record, name) for name in PLAIN},
        "points": points_text(record.points),
        "error": failure_text(record.error),
        "result": result_text(record.result),
    }


def from_row(row: Mapping[str, Any]) -> JobRecord:
    """Return the job of a row."""
    points = read_points(row["points"])
    error = None if row["error"] is None else Failure(*json.loads(row["error"]))
    plain, result = {name: row[name] for name in PLAIN}, read_result(row["result"])
    return JobRecord(**plain, points=points, error=error, result=result)


def one(connection: Any, statement: Any) -> JobRecord | None:
    """Return the job of the row that a statement of SQLAlchemy gives; None if it gives none."""
    row = connection.execute(statement).mappings().first()
    return None if row is None else from_row(row)


def points_text(points: Mapping[int, Point]) -> str:
    """Return points as JSON."""
    return json.dumps({number: [point.index, point.label] for number, point in points.items()})


def read_points(text: str) -> dict[int, Point]:
    """Return the points that a text says, by number of the picture."""
    return {int(number): Point(index, label) for number, (index, label) in json.loads(text).items()}


def failure_text(failure: Failure | None) -> str | None:
    """Return a failure as JSON."""
    return None if failure is None else json.dumps([failure.code, failure.text])


def result_text(result: Result | None) -> str | None:
    """Return a result as JSON."""
    if result is None:
        return None
    files = [[file.name, file.variant, file.bytes, file.media_type] for file in result.files]
    return json.dumps({"files": files, "details": result.details})


def read_result(text: str | None) -> Result | None:
    """Return the result that a text says; None without one."""
    if text is None:
        return None
    kept = json.loads(text)
    return Result(tuple(ResultFile(*file) for file in kept["files"]), kept["details"])

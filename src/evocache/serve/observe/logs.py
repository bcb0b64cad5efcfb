"""Lines of the log, as JSON or text: one a request, and what else happened; nothing that a request says.

What requests say can hide in messages of other libraries (a pipeline tells which words of a prompt it cut off) and in
those of exceptions. So only our own messages are written as they are; of others stands where they came from, and of
exceptions their types and the lines that raised them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Literal, TextIO

from ...errors import printable
from .notes import Notes, notes

Format = Literal["text", "json"]

REQUESTS = "evocache.requests"
"""Logger of the lines of requests."""

OURS = ("evocache", "uvicorn")
"""Loggers whose messages hold nothing of a request."""

PROBES = ("/healthz", "/readyz", "/metrics")
"""Routes that machines ask every few seconds; their lines are written where all is."""

OUTPUT = "evocache.serve.workers.output"
"""Logger of what processes of workers write, as `name: line`."""

_PLACE = re.compile(r'\s*File "[^"]+", line \d+,? in [\w.<>]+')
_KIND = re.compile(r"(?:Fatal Python error|Windows fatal exception|Traceback|(?:\w+\.)*\w+(?:Error|Exception)\b)")
"""Lines of tracebacks that say where; and how the others begin that say what, before any message."""

FRAMES = 20
"""Most lines of code that are written of an exception."""

QUIET = {"DIFFUSERS_VERBOSITY": "error", "TRANSFORMERS_VERBOSITY": "error"}
"""What these libraries read when they are imported, here and in processes that this one begins."""


def set_up_logs(format: Format = "text", stream: TextIO | None = None, level: int = logging.INFO) -> logging.Handler:
    """Have all that is logged written to a stream, and return the handler that does so.

    Args:
        format: `json` for machines, `text` for people.
        stream: stderr if not given.
        level: least level that is written of our own loggers; of others it is warnings.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    return handler


def log_request(of: Notes, seconds: float) -> None:
    """Write the line of a request."""
    line = {
        "id": of.id,
        "method": of.method,
        "route": of.route,
        "status": of.status,
        "seconds": round(seconds, 4),
        "code": of.code,
        "model": ",".join(sorted({one.model for one in of.outcomes})),
        "count": sum(len(one.accounts) for one in of.outcomes),
        "point": of.points,
        "reuse": of.reuse,
    }
    known = {name: value for name, value in line.items() if value or name in ("id", "route", "status", "seconds")}
    level = logging.DEBUG if of.route in PROBES else logging.INFO
    logging.getLogger(REQUESTS).log(level, "request", extra={"evocache": known})


class JsonFormatter(logging.Formatter):
    """One object of JSON a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return json.dumps(dict(_said(record)), ensure_ascii=True, default=lambda value: type(value).__name__)


class TextFormatter(logging.Formatter):
    """`time level logger: message name=value ...`, one line each."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        said = dict(_said(record))
        head = f"{said.pop('time')} {said.pop('level')} {said.pop('logger')}: {said.pop('event')}"
        rest = " ".join(f"{name}={value}" for name, value in said.items())
        return printable(f"{head} {rest}".rstrip().replace("\n", " "))


def _said(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    yield "time", datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
    yield "level", record.levelname.lower()
    yield "logger", record.name
    yield "event", _message(record)
    extra = getattr(record, "evocache", None)
    if extra is None and (of := notes()) is not None:
        extra = {"id": of.id}
    yield from (extra or {}).items()
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        yield "error", " < ".join(_types(error))
        yield "at", _places(error)


def _message(record: logging.LogRecord) -> str:
    if record.name == OUTPUT:
        return _of_worker(record)
    if record.name.partition(".")[0] in OURS:
        return record.getMessage()
    return f"a message of {record.name}:{record.lineno} is left out, as it may quote a request"


def _of_worker(record: logging.LogRecord) -> str:
    """What a line that a worker wrote may say: where something failed, and the kind of failure."""
    name, _, line = record.getMessage().partition(": ")
    kind = _KIND.match(line)
    if _PLACE.fullmatch(line):
        return f"{name}: {line.strip()}"
    return f"{name}: {kind[0]}" if kind else f"{name}: a line is left out, as it may quote a request"


def _types(error: BaseException) -> Iterator[str]:
    """Types of an exception and of those that it came of."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < FRAMES:
        seen.add(id(one))
        yield f"{type(one).__module__}.{type(one).__qualname__}"
        one = one.__cause__ or one.__context__


def _places(error: BaseException) -> list[str]:
    """Lines of code that an exception went through, the last of them first."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)]

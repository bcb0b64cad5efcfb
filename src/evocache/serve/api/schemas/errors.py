"""The body of an error."""

from __future__ import annotations

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """What is wrong, in words and for programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorDetail

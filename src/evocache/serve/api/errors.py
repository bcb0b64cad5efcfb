"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ...errors import Error, QuotaError, StoreError
from ..control.refusal import Refused
from ..observe.notes import notes
from ..requests.failures import CODES as FAILURES
from ..requests.failures import UnmadeError
from ..requests.fit import UnfitError

log = logging.getLogger("evocache.serve")

INVALID, SERVER = "invalid_request_error", "server_error"


class ApiError(Exception):
    """What a request is refused or failed with.

    Args:
        status: of HTTP. Clients repeat 408, 409, 429 and from 500 by themselves.
        message: what is wrong, and what to do.
        code: a name for programs.
        param: name of the field that is meant.
        type: kind of error; by the status, if not given.
        headers: besides, such as `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.message, self.code, self.param = status, message, code, param
        self.type = type or (SERVER if status >= 500 else INVALID)
        self.headers = headers or {}
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """Return the answer; its code stands in the line of the request."""
        of = notes()
        if of is not None:
            of.code = self.code
        return JSONResponse(self.body(), self.status, headers=self.headers)


FAILED = {"invalid_value": 400, "too_much_memory": 400, "worker_lost": 503, "cancelled": 503, "no_room": 507}
"""The status of generations that failed, by the codes of failures; of others it is 500."""

LATER = {"worker_lost": "1", "cancelled": "5"}
"""Seconds after which it is worth trying again, by the codes of failures."""

CODES = {
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    429: "refused_bytes",
}
"""Codes of refusals that have none of their own."""


def handle_errors(app: FastAPI) -> None:
    """Have an application answer all errors in one form, without traces of its insides."""

    @app.exception_handler(ApiError)
    async def told(_: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return of_validation(error.errors()).response()

    @app.exception_handler(UnfitError)
    async def unfit(_: Request, error: UnfitError) -> JSONResponse:
        return ApiError(400, error.text, code="invalid_value", param=error.param).response()

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return of_refusal(error).response()

    @app.exception_handler(UnmadeError)
    async def unmade(_: Request, error: UnmadeError) -> JSONResponse:
        return of_unmade(error).response()

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = CODES.get(error.status_code, "error")
        headers = dict(error.headers or {})
        return ApiError(error.status_code, str(error.detail), code=code, headers=headers).response()

    @app.exception_handler(QuotaError)
    async def full(_: Request, error: QuotaError) -> JSONResponse:
        return of_failure("no_room", str(error)).response()

    @app.exception_handler(StoreError)
    async def away(_: Request, error: StoreError) -> JSONResponse:
        return store_away(error).response()

    @app.exception_handler(Error)
    async def ours(_: Request, error: Error) -> JSONResponse:
        return ApiError(400, str(error), code="invalid_value").response()


def of_validation(errors: Any) -> ApiError:
    """Return what the first of pydantic's errors says, with the name of its field."""
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header", "form")]
    param = place[0] if place else None
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"unknown field {param!r}", code="unknown_field", param=param)
    if first["type"] == "json_invalid":
        return ApiError(400, "the body is no JSON", code="invalid_json")
    where = f"{'.'.join(place)}: " if place else ""
    return ApiError(400, f"{where}{first['msg']}", code=first["type"], param=param)


def store_away(error: StoreError) -> ApiError:
    """Return what a request is told while the database is away."""
    log.error("the database failed: %s", error)
    return ApiError(503, "the database is away", code="store_away", headers={"Retry-After": "2"})


def of_refusal(refused: Refused) -> ApiError:
    """Return what a request is told that is not taken now."""
    headers = {"Retry-After": str(refused.retry_after), "x-should-retry": str(refused.should_retry).lower()}
    kind = "rate_limit_error" if refused.status == 429 else SERVER
    return ApiError(refused.status, str(refused), code=f"refused_{refused.reason}", type=kind, headers=headers)


def of_unmade(unmade: UnmadeError) -> ApiError:
    """Return what a plain request is told whose generation failed."""
    # it was not cancelled by its client, who would not be told: the server ends
    text = "the server ends before it was made" if unmade.reason == "cancelled" else unmade.text
    return of_failure(FAILURES[unmade.reason], text)


def of_failure(code: str, text: str) -> ApiError:
    """Return what a request is told that failed, made at once or as a job.

    Args:
        code: of the failure.
        text: what happened.
    """
    headers = {"Retry-After": LATER[code]} if code in LATER else {}
    if code == "no_room":
        headers = {"x-should-retry": "false"}
    return ApiError(FAILED.get(code, 500), text, code=code, headers=headers)

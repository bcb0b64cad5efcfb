"""The application: routes over a service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from ..service import Service
from . import edits, health, images, models, videos
from .errors import handle_errors
from .guard import Guard, anybody
from .leaving import LEFT, ClientLeftError
from .schemas.errors import ErrorBody

STATUSES = {
    400: "a field that is unknown, wrong, or that the model does not take",
    401: "no key, or one that is not valid",
    403: "not for this key, host or origin",
    404: "there is none",
    413: "too large",
    415: "no JSON",
    429: "too much at the moment: `Retry-After` says when there will be room",
    500: "a fault of the server",
    503: "not ready yet, or about to end",
    507: "no room on the disk",
}
"""Answers that every route may give besides its own."""


LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine for itself."""


def create_app(service: Service, hosts: frozenset[str] = LOOPBACK, others: Iterable[APIRouter] = ()) -> FastAPI:
    """Create the application of a service, which starts and ends with it.

    Args:
        service: what makes.
        hosts: names that the server goes by.
        others: routes besides those of the API, such as those of its pages.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": text} for status, text in STATUSES.items()
    }
    app = FastAPI(title="evocache", lifespan=lifespan, responses=errors, redirect_slashes=False)
    app.state.service = service
    handle_errors(app)

    app.add_middleware(Guard, hosts=hosts, identify=anybody, most=service.settings.body)

    @app.exception_handler(ClientLeftError)
    async def left(_: Request, error: ClientLeftError) -> Response:
        return Response(status_code=LEFT)

    for room in (health, models, images, edits, videos):
        app.include_router(room.router)
    for router in others:
        app.include_router(router)
    return app

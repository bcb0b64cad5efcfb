"""The application: routes over a service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from ..observe.traces import Traces
from ..service import Service
from . import edits, health, images, models, promised, videos
from .description import describe_truly
from .entrance.guard import Guard
from .entrance.request_log import RequestLog
from .errors import handle_errors
from .leaving import LEFT, ClientLeftError
from .pictures import open_unpacking
from .reports import metrics, results, usage
from .schemas.errors import ErrorBody

STATUSES = {
    400: "a field that is unknown, wrong, or that the model does not take",
    401: "no key, or one that is not valid",
    403: "not for this key, host or origin",
    404: "there is none",
    408: "the body came too slowly",
    413: "too large",
    415: "no JSON",
    429: "too much at the moment: `Retry-After` says when there will be room",
    500: "a fault of the server",
    503: "not ready yet, or about to end",
    507: "no room on the disk",
}
"""Answers that every route may give besides its own."""


def create_app(service: Service, traces: Traces | None = None, routers: Iterable[APIRouter] = ()) -> FastAPI:
    """Create the application of a service, which starts and ends with it.

    Args:
        service: what makes.
        traces: makes spans of requests.
        routers: of rooms above this one, such as pages.

    Raises:
        ServeError: if the service's settings name an origin that is none.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_unpacking() as app.state.unpacking:
            async with service:
                yield

    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": text} for status, text in STATUSES.items()
    }
    app = FastAPI(
        title="evocache",
        lifespan=lifespan,
        responses=errors,
        redirect_slashes=False,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    handle_errors(app)

    app.add_middleware(Guard, service=service, exposure=service.settings.exposure)
    app.add_middleware(RequestLog, service=service, traces=traces)  # outside of the guard

    @app.exception_handler(ClientLeftError)
    async def left(_: Request, error: ClientLeftError) -> Response:
        return Response(status_code=LEFT)

    rooms = (health, models, images, promised, edits, videos, usage, metrics, results)
    for router in (*(room.router for room in rooms), *routers):
        app.include_router(router)
    describe_truly(app)
    return app

"""The log of requests: each has an id, a line in the log, metrics and a trace; a fault is answered, and logged."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...observe.logs import log_request
from ...observe.notes import Notes, noting
from ...observe.traces import NoTraces, Traces
from ...requests.identity import Identity
from ...service import Service
from ..errors import ApiError
from ..leaving import LEFT
from .headers import security

log = logging.getLogger("evocache.serve")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods by name; others, which a client may make up, are `other`."""

NO_ROUTE = "none"
"""Stands for the route of a request that has none: its path is its sender's own words."""


class RequestLog:
    """Logs requests of an application.

    Args:
        app: the application.
        service: whose observer is told.
        traces: makes spans.
    """

    def __init__(self, app: ASGIApp, service: Service, traces: Traces | None = None) -> None:
        self._app, self._service, self._traces = app, service, traces or NoTraces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        of = Notes(f"req_{secrets.token_hex(16)}", scope["method"] if scope["method"] in METHODS else "other")
        began, start = time.time(), time.perf_counter()
        scope.setdefault("state", {})["request_id"] = of.id

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                of.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = of.id
                for name, value in security(scope["path"]).items():
                    headers.setdefault(name, value)
                headers["openai-processing-ms"] = str(round(1000 * (time.perf_counter() - start)))
            await send(message)

        with noting(of):
            try:
                await self._app(scope, receive, sending)
            except Exception as error:
                log.error("a request failed by a fault of the server", exc_info=error)
                if of.status:
                    raise _BrokenOffError from None
                fault = ApiError(500, "a fault of the server; it is logged there", code="internal_error")
                await fault.response()(scope, receive, sending)
            finally:
                self._end(of, scope, began, time.perf_counter() - start)

    def _end(self, of: Notes, scope: Scope, began: float, seconds: float) -> None:
        of.route = getattr(scope.get("route"), "path", NO_ROUTE)
        of.status = of.status or LEFT
        who: Identity | None = scope["state"].get("identity")
        if of.code.startswith("refused_") and who is not None:
            self._service.observer.refused(who.tenant, who.key)
        log_request(of, seconds)
        self._service.observer.metrics.request(of, seconds)
        self._traces.request(of, Headers(scope=scope), began, seconds)


class _BrokenOffError(Exception):
    """An answer that was begun and cannot be ended; who it is for sees that the connection is closed."""

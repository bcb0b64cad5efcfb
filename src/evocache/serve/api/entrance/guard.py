"""The guard: refuses requests that may not come in, and tells the routes who asks."""

from __future__ import annotations

from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ....errors import StoreError
from ...access.exposure import Exposure, is_loopback
from ...access.scopes import scope_of
from ...control.refusal import Refused
from ...control.shares import Owner
from ...requests.identity import ADMIN, Identity
from ...service import Service
from ..errors import ApiError, of_refusal, store_away
from .bodies import Body
from .browsers import check_browser
from .headers import cross_origin_headers, preflight_headers, quota_headers

NOBODY = Identity("", "", scopes=frozenset())
"""Who asks for what is open to all."""

PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers of requests that somebody else passed on."""


class Guard:
    """Lets requests through to an application that may come in.

    Args:
        app: the application.
        service: whose keys, quotas and door count.
        exposure: whom the server is reached by.
    """

    def __init__(self, app: ASGIApp, service: Service, exposure: Exposure) -> None:
        self._app, self._service, self._exposure = app, service, exposure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        said: dict[str, str] = {}
        try:
            origin = check_browser(self._exposure, method, path, headers)
            if origin is not None:
                said = cross_origin_headers(origin)
                if method == "OPTIONS" and "access-control-request-method" in headers:
                    wanted = headers.get("access-control-request-headers", "")
                    await Response(status_code=204, headers=preflight_headers(origin, wanted))(scope, receive, send)
                    return
            who = await self._identify(scope, headers)
            scope.setdefault("state", {})["identity"] = who
            owner = Owner(who.tenant, who.key)
            enter = partial(self._service.read, owner)
            with Body(method, headers, self._service.settings.body, receive, enter) as body:
                scope["state"]["body"] = body
                await self._app(scope, body.receive, self._sending(send, said, owner))
        except ApiError as error:
            await error.response()(scope, receive, self._sending(send, said))
        except Refused as error:
            await of_refusal(error).response()(scope, receive, self._sending(send, said, owner))
        except StoreError as error:
            await store_away(error).response()(scope, receive, self._sending(send, said))

    def _sending(self, send: Send, said: dict[str, str], owner: Owner | None = None) -> Send:
        """Return what sends messages with the headers that answers have."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                left = [] if owner is None else self._service.quota_left(owner)
                for name, value in {**said, **quota_headers(left)}.items():
                    headers.setdefault(name, value)
            await send(message)

        return sending

    async def _identify(self, scope: Scope, headers: Headers) -> Identity:
        """Return who asks.

        Raises:
            ApiError: 401 if nobody says so, 403 if that is not for who does.
            StoreError: if keys cannot be looked up.
        """
        needed, keys = scope_of(scope["path"]), self._service.keys
        if needed is None:  # before the database is asked, which may be away
            return NOBODY
        locked = await keys.locked()
        found = await keys.identify(_bearer(headers)) if locked else Identity()
        if needed == ADMIN:
            if self._is_at_home(scope, headers):
                return found or Identity(scopes=frozenset({ADMIN}))
            if not locked:
                said = "this needs a key of scope admin; the server has none: `evocache keys create --scope admin`"
                raise ApiError(403, said, code="no_keys")
        if found is None:
            raise _unknown_key()
        if needed not in found.scopes:
            said = f"this needs a key of scope {needed}; yours has {', '.join(sorted(found.scopes))}"
            raise ApiError(403, said, code="insufficient_scope")
        return found

    def _is_at_home(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request comes from this machine, to a server that this machine alone reaches."""
        client = scope.get("client")
        proxied = any(name in headers for name in PROXIED)
        return self._exposure.local and not proxied and client is not None and is_loopback(client[0])


def _bearer(headers: Headers) -> str:
    """The secret that a request has; empty if it has none."""
    given = headers.getlist("authorization")
    kind, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return secret.strip() if kind.lower() == "bearer" else ""


def _unknown_key() -> ApiError:
    said = "no API key, or one that is not valid; send it as `Authorization: Bearer evo_...`"
    return ApiError(401, said, code="invalid_api_key", headers={"www-authenticate": "Bearer"})

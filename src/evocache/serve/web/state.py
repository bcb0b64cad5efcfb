"""What the operator's page shows: `GET /v1/admin/state`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from ..api.errors import ApiError
from ..api.parts import caller, service_of
from ..requests.identity import ADMIN, Identity
from ..service import Service
from .figures import Overview

router = APIRouter()


class ServerState(BaseModel):
    """What a server is doing, in numbers; no prompts, and no names of those who ask."""

    model_config = ConfigDict(extra="allow")

    uptime: float
    unready: str
    models: dict[str, Any]
    engines: list[dict[str, Any]]
    jobs: dict[str, int]
    transitions: list[dict[str, Any]]


@router.get("/v1/admin/state")
async def state(
    request: Request,
    response: Response,
    service: Annotated[Service, Depends(service_of)],
    who: Annotated[Identity, Depends(caller)],
) -> ServerState:
    """Say what the server is doing; for those who may administer it."""
    if ADMIN not in who.scopes:
        raise ApiError(403, "this needs a key with the scope admin", code="admin_needed")
    found: Overview | None = getattr(request.app.state, "overview", None)
    if found is None:
        found = request.app.state.overview = Overview(service)
    response.headers["cache-control"] = "no-store"
    return ServerState(**await found.gather())

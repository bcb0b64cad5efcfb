"""What the operator's page shows: `GET /v1/admin/state`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from ..api.parts import service_of
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
) -> ServerState:
    """Say what the server is doing; the entrance lets in only those who may administer it."""
    found: Overview | None = getattr(request.app.state, "overview", None)
    if found is None:
        found = request.app.state.overview = Overview(service)
    response.headers["cache-control"] = "no-store"
    return ServerState(**await found.gather())

"""Whether the server lives, and whether it takes requests: `GET /healthz` and `GET /readyz`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from ..service import Service
from .parts import service_of, unready

router = APIRouter()


class Health(BaseModel):
    """That it is so."""

    status: str = "ok"


@router.get("/healthz")
async def live() -> Health:
    """Say that the server lives."""
    return Health()


@router.get("/readyz")
async def ready(service: Annotated[Service, Depends(service_of)]) -> Health:
    """Say whether models are loaded and requests are taken."""
    why = service.unready()
    if why:
        raise unready(why)
    return Health()

"""Metrics of the server: `GET /metrics`, for operators."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse

from ...observe.metrics import MEDIA
from ...service import Service
from ..parts import service_of

router = APIRouter()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Annotated[Service, Depends(service_of)]) -> PlainTextResponse:
    """Return all metrics as Prometheus reads them."""
    text = await asyncio.to_thread(service.observer.metrics.text, service.figures())
    return PlainTextResponse(text, media_type=MEDIA)

"""The models that are served: `GET /v1/models` and `GET /v1/models/{name}`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from ..requests.identity import Identity
from ..service import Service
from ..workers.card import LoraCard, ModelCard
from .errors import ApiError
from .parts import caller, cards_of, service_of

router = APIRouter()


class ModelBody(BaseModel):
    """A model; `evocache` says what it makes, takes and offers."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "evocache"
    evocache: dict[str, Any]


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelBody]


@router.get("/v1/models")
async def list_models(
    service: Annotated[Service, Depends(service_of)], who: Annotated[Identity, Depends(caller)]
) -> ModelList:
    """List the models that are served."""
    return ModelList(data=[_body(service, card) for card in service.cards.values()])


@router.get("/v1/models/{name:path}")
async def retrieve_model(
    name: str, service: Annotated[Service, Depends(service_of)], who: Annotated[Identity, Depends(caller)]
) -> ModelBody:
    """Tell of one model."""
    card = cards_of(service).get(name)
    if card is None:
        raise ApiError(404, f"no model {name!r}", code="model_not_found", param="model")
    return _body(service, card)


def _body(service: Service, card: ModelCard) -> ModelBody:
    said = {
        "kind": card.kind,
        "arguments": sorted(card.arguments),
        "defaults": dict(card.defaults),
        "seconds": round(card.seconds, 3),
        "bytes": card.bytes,
        "points": [asdict(point) for point in service.offered(card.name)],
        "context": dict(card.context),
        "loras": [_lora(service, card, lora) for lora in card.loras],
        **({"frames_per_second": card.frames_per_second} if card.kind == "video" else {}),
    }
    return ModelBody(id=card.name, created=service.began, evocache=said)


def _lora(service: Service, card: ModelCard, lora: LoraCard) -> dict[str, Any]:
    return {
        "name": lora.name,
        "weight": lora.weight,
        "bytes": lora.bytes,
        "points": [asdict(point) for point in service.offered(card.name, {lora.name: lora.weight}) if lora.points],
        "context": dict(lora.context),
    }

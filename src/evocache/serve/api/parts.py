"""What routes are given: the service, who calls, the model that is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from ..requests.fit import find_card
from ..requests.identity import Identity
from ..service import Service
from ..workers.card import ModelCard
from .errors import ApiError


def service_of(request: Request) -> Service:
    """Return the service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


def caller(request: Request) -> Identity:
    """Return who calls."""
    identity: Identity = request.state.identity
    return identity


def cards_of(service: Service) -> Mapping[str, ModelCard]:
    """Return the models that are served, by name.

    Raises:
        ApiError: 503, as long as they are loaded.
    """
    if not service.cards:
        raise unready(service.unready())
    return service.cards


def unready(why: str) -> ApiError:
    """Return what is told of a server that takes no requests yet."""
    return ApiError(503, why, code="not_ready", headers={"Retry-After": "1"})


def model_of(service: Service, name: str | None, kind: str) -> str:
    """Return the name of the model that is meant.

    Raises:
        ApiError: 404, if there is none of that name; 503, as long as models are loaded.
        UnfitError: if it makes something else.
    """
    cards = cards_of(service)
    try:
        return find_card(cards, name, kind).name
    except KeyError:
        there = ", ".join(cards)
        raise ApiError(404, f"no model {name!r}; there is {there}", code="model_not_found", param="model") from None


async def read_json(request: Request) -> Any:
    """Return the body of a request, an object of JSON.

    Raises:
        ApiError: if it is none.
    """
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is no JSON", code="invalid_json") from None
    if not isinstance(found, dict):
        raise ApiError(400, "the body is no object", code="invalid_json")
    return found

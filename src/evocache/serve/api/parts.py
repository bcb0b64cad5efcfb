"""What routes are given: the service, who calls, the model that is meant."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from ..requests.fit import find_card
from ..requests.identity import Identity
from ..service import Service
from .errors import ApiError


def service_of(request: Request) -> Service:
    """Return the service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


def caller(request: Request) -> Identity:
    """Return who calls."""
    identity: Identity = request.state.identity
    return identity


def model_of(service: Service, name: str | None, kind: str) -> str:
    """Return the name of the model that is meant.

    Raises:
        ApiError: 404, if there is none of that name.
        UnfitError: if it makes something else.
    """
    try:
        return find_card(service.cards, name, kind).name
    except KeyError:
        there = ", ".join(service.cards)
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

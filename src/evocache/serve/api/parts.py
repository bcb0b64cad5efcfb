"""What routes are given: the service, who calls, the model that is meant."""

from __future__ import annotations

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

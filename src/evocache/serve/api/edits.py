"""Pictures from pictures: `POST /v1/images/edits`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from ..requests.identity import Identity
from ..service import Service
from ..workers.card import ModelCard
from ..workers.task import Picture
from .errors import ApiError
from .forms import form_body, is_form, read_form
from .images import OTHER_ANSWERS, answer_with
from .parts import caller, model_of, service_of
from .pictures import read_mask, read_picture, unpack
from .schemas.images import Images, ImagesEdit

router = APIRouter()

IMAGE, MASK = "image", "mask"
"""Names of files in the form."""

PIPELINE_MASK = "mask_image"
"""What pipelines call the mask."""

GRID = 16
"""Sides are multiples of it where a request names no size, as the pictures of OpenAI's own models are."""


@router.post(
    "/v1/images/edits",
    response_model=Images,
    response_model_exclude_none=True,
    responses=OTHER_ANSWERS,
    openapi_extra=form_body(ImagesEdit, [IMAGE, MASK], [IMAGE]),
)
async def edit(
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    who: Annotated[Identity, Depends(caller)],
) -> Any:
    """Make pictures that begin with a given one, or are painted into it under a mask.

    What the mask leaves clear, or light if it is opaque, is made anew; the rest stays.
    """
    if not is_form(request):
        raise ApiError(415, "a picture comes as a file, in multipart/form-data", code="unsupported_media_type")
    body, files = await read_form(request, ImagesEdit, [IMAGE, MASK])
    name = model_of(service, body.model, "picture")
    pictures = await unpack(request, partial(_read, files))
    asked = body.asked(name)
    if body.size in (None, "auto"):
        size = choose_size(pictures[IMAGE], service.cards[name])
        asked = replace(asked, arguments={**asked.arguments, **size})
    asked = replace(asked, pictures=pictures)
    return await answer_with(request, service, asked, replace(who, user=body.claimed_user), body, "image_edit")


def choose_size(picture: Picture, card: ModelCard) -> dict[str, int]:
    """Return a size of a given picture's shape, with about as many pixels as the model's own pictures have."""
    sides = [card.defaults.get(name) for name in ("width", "height")]
    width, height = (side if isinstance(side, int) else 512 for side in sides)
    scale = math.sqrt(width * height / (picture.width * picture.height))
    whole = [max(GRID, round(side * scale / GRID) * GRID) for side in (picture.width, picture.height)]
    return {"width": whole[0], "height": whole[1]}


def _read(files: Mapping[str, list[bytes]]) -> dict[str, Picture]:
    for field in (IMAGE, MASK):
        if len(files.get(field, [])) > 1:
            raise ApiError(400, f"{field}: several; one is taken", code="invalid_value", param=field)
    if IMAGE not in files:
        raise ApiError(400, "image: a file is needed", code="missing", param=IMAGE)
    pictures = {"image": read_picture(files[IMAGE][0], IMAGE)}
    if MASK in files:
        pictures[PIPELINE_MASK] = read_mask(files[MASK][0], MASK)
        if not fits(pictures[PIPELINE_MASK], pictures["image"]):
            raise ApiError(400, "mask: not of the picture's size", code="invalid_value", param=MASK)
    return pictures


def fits(mask: Picture, picture: Picture) -> bool:
    """Return whether a mask lies over a picture."""
    return (mask.width, mask.height) == (picture.width, picture.height)

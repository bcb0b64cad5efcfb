"""Pictures from prompts: `POST /v1/images/generations`."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, StreamingResponse

from ..control.deadlines import read_deadline
from ..control.refusal import Refused
from ..jobs.record import JobRecord
from ..requests.answer import Answer
from ..requests.encode import encode
from ..requests.failures import UnmadeError
from ..requests.identity import Identity
from ..requests.request import GenerationRequest
from ..service import Service
from ..workers.updates import Previewed, Progressed, Update
from .errors import of_refusal, of_unmade
from .leaving import while_there
from .parts import caller, model_of, service_of
from .promised import link, promise
from .schemas.extensions import ignored_in
from .schemas.images import ImageData, Images, ImagesGeneration, PicturesWanted, PromisedImages, Usage

router = APIRouter()

CALL = "x-evocache-id"
"""The header with the id that a plain call is known by afterwards, at `/v1/images/{id}`."""

READ_TIMEOUT = "x-stainless-read-timeout"
"""The header in which clients say how many seconds they wait for an answer."""

KEEP_ALIVE = 10.0
"""Seconds after which a stream says that it is alive; clients give up on silent ones."""

EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}

OTHER_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": EVENT}}},
    202: {"model": PromisedImages, "description": "promised: `background` was true"},
}
"""What an answer may be as well: a stream, or a promise."""


@router.post("/v1/images/generations", response_model=Images, response_model_exclude_none=True, responses=OTHER_ANSWERS)
async def generate(
    body: ImagesGeneration,
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    who: Annotated[Identity, Depends(caller)],
) -> Any:
    """Make pictures from a prompt."""
    asked = body.asked(model_of(service, body.model, "picture"))
    return await answer_with(request, service, asked, replace(who, user=body.claimed_user), body, "image_generation")


async def answer_with(
    request: Request, service: Service, asked: GenerationRequest, who: Identity, body: PicturesWanted, prefix: str
) -> Any:
    """Answer with pictures, at once or as a stream, as long as the client waits for them.

    Args:
        request: that is answered.
        service: makes them.
        asked: what is asked for.
        who: who asks.
        body: how the answer is to be.
        prefix: of the names of a stream's events.
    """
    if body.background is True:
        return await promise(service, asked, who, body)
    if asked.wishes.deadline is None:  # as long as its client waits
        waits = read_deadline(None, request.headers.get(READ_TIMEOUT))
        asked = replace(asked, wishes=replace(asked.wishes, deadline=waits))
    if body.response_format == "url":
        data, job = await link(request, service, asked, who, body)
        return _linked(data, job, body)
    service.check(asked)
    if body.stream:
        return await stream(request, service, asked, who, body, prefix)
    with service.background.tombstones.call(who) as id:
        answers = await while_there(request, service.generate(asked, who))
        made = await asyncio.to_thread(images, answers, body)
    return JSONResponse(made.model_dump(mode="json", exclude_none=True), headers={CALL: id})


def images(answers: list[Answer], body: PicturesWanted) -> Images:
    """Return the body of an answer."""
    data = [ImageData(b64_json=_base64(answer, body)) for answer in answers]
    return Images(created=int(time.time()), data=data, **_common(answers, body))


def _linked(data: list[ImageData], job: JobRecord, body: PicturesWanted) -> Images:
    """Return the body of an answer whose pictures are behind links."""
    details = json.loads(job.result.details) if job.result is not None else {}
    return Images(
        created=int(job.created),
        data=data,
        output_format="png",
        quality=str(body.quality or "auto"),
        size=body.size or "auto",
        safety_identifier=body.claimed_user or None,
        **ignored_in(body, details),
    )


def _base64(answer: Answer, body: PicturesWanted) -> str:
    format, compression = body.output_format, body.output_compression
    file = answer.files.get(format) if format == "png" or compression == 100 else None
    return base64.b64encode(file or encode(answer.picture, format, compression)).decode()


def _common(answers: list[Answer], body: PicturesWanted) -> dict[str, Any]:
    """What every answer says of itself."""
    picture = answers[0].picture
    said = {"pictures": [answer.account.as_json() for answer in answers]}
    return {
        "output_format": body.output_format,
        "quality": str(body.quality or "auto"),
        "size": f"{picture.width}x{picture.height}",
        "safety_identifier": body.claimed_user or None,
        **ignored_in(body, said),
    }


async def stream(
    request: Request, service: Service, asked: GenerationRequest, who: Identity, body: PicturesWanted, prefix: str
) -> StreamingResponse:
    """Return a stream of events; a refusal comes before the first of them, as an answer of its own."""
    updates: asyncio.Queue[tuple[int, Update]] = asyncio.Queue()
    named: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def make() -> list[Answer]:
        with service.background.tombstones.call(who) as id:
            named.set_result(id)
            return await service.generate(asked, who, watch=lambda *told: updates.put_nowait(told), previews=previews)

    previews = body.partial_images
    making = asyncio.ensure_future(make())
    first = asyncio.ensure_future(updates.get())
    either: set[asyncio.Future[Any]] = {making, first}
    try:
        await while_there(request, asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED))
    except BaseException:
        making.cancel()
        first.cancel()
        raise
    if making.done() and making.exception() is not None:
        first.cancel()
        making.result()  # raises what it was refused with
    return StreamingResponse(
        _events(making, first, updates, body, prefix),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no", CALL: await named},
    )


async def _events(
    making: asyncio.Future[list[Answer]],
    first: asyncio.Future[tuple[int, Update]],
    updates: asyncio.Queue[tuple[int, Update]],
    body: PicturesWanted,
    prefix: str,
) -> AsyncIterator[str]:
    sent = 0
    getting: asyncio.Future[tuple[int, Update]] = first
    try:
        while not making.done() or not updates.empty() or getting.done():
            either: set[asyncio.Future[Any]] = {making, getting}
            await asyncio.wait(either, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                if making.done():
                    break
                yield ": waiting\n\n"
                continue
            at, update = getting.result()
            getting = asyncio.ensure_future(updates.get())
            if isinstance(update, Progressed):
                yield f": picture {at} step {update.step}/{update.steps}\n\n"
            elif isinstance(update, Previewed):
                partial = {"partial_image_index": sent, "b64_json": _png(update)}
                sent += 1
                yield _event(f"{prefix}.partial_image", {**partial, **_stream_common(body)})
        answers = making.result()
        for answer in answers:
            completed = {"b64_json": await asyncio.to_thread(_base64, answer, body), "usage": Usage().model_dump()}
            yield _event(f"{prefix}.completed", {**completed, **_stream_common(body), **_common([answer], body)})
    except (UnmadeError, Refused) as error:  # of several, some may be refused after others are being made
        told = of_unmade(error) if isinstance(error, UnmadeError) else of_refusal(error)
        yield f"data: {json.dumps(told.body())}\n\n"
    finally:
        getting.cancel()
        if not making.done():
            making.cancel()
            await asyncio.wait({making})


def _stream_common(body: PicturesWanted) -> dict[str, Any]:
    return {
        "created_at": int(time.time()),
        "size": body.size or "auto",
        "quality": str(body.quality or "auto"),
        "background": "opaque",
        "output_format": body.output_format,
    }


def _png(update: Previewed) -> str:
    return base64.b64encode(encode(update.picture)).decode()


def _event(kind: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"

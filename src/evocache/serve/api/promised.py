"""Pictures that are promised: `background: true`, `GET` and `DELETE /v1/images/{id}`."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from ..background.threads import to_its_end
from ..jobs.calls import Call
from ..jobs.record import JobRecord
from ..requests.identity import Identity
from ..requests.request import GenerationRequest
from ..service import Service
from .errors import ApiError, of_failure
from .leaving import ClientLeftError, while_there
from .parts import caller, service_of
from .reports.results import link_to, read_files
from .schemas.extensions import Generating, ignored_in
from .schemas.images import ImageData, ImagesDeleted, PicturesWanted, PromisedImages
from .schemas.promised import PromiseError, fields_of

router = APIRouter()

LEFT = {
    "failed": "it failed, as its answer said",
    "cancelled": "its client left before it was made",
    "interrupted": "the server ended before it was made; plain calls are not run again",
}
"""What is said of plain calls that gave nothing."""

Serving = Annotated[Service, Depends(service_of)]
Caller = Annotated[Identity, Depends(caller)]


async def promise(service: Service, asked: GenerationRequest, who: Identity, body: PicturesWanted) -> JSONResponse:
    """Promise pictures: they are durable before this answers, and made when it is their turn.

    Args:
        service: makes them.
        asked: what is asked for.
        who: who asks.
        body: of the request.

    Raises:
        ApiError: if they are to be streamed, in another format than PNG, or in a time.
    """
    _check(body, "in the background")
    job = await service.background.add(service.check(asked), who, "picture")
    told = await _told(service, job)
    told = told.model_copy(update=ignored_in(body, told.evocache))
    return JSONResponse(told.model_dump(exclude_none=True), 202, headers={"location": f"/v1/images/{job.id}"})


async def link(
    request: Request, service: Service, asked: GenerationRequest, who: Identity, body: PicturesWanted
) -> tuple[list[ImageData], JobRecord]:
    """Make pictures that are kept as files, as long as the client waits for them, and return links to them.

    Args:
        request: that is answered.
        service: makes them.
        asked: what is asked for.
        who: who asks.
        body: of the request.

    Raises:
        ApiError: if they are to be streamed, in another format than PNG, or in a time; if they cannot be made; 503 if
            the server ends before they are, or has no worker left: they stay promised.
        ClientLeftError: if the client left; they are deleted then, as when this is cancelled, which Ray's proxies do
            when a client leaves. Of a server that is about to end, what is cancelled stays promised.
    """
    _check(body, "behind links")
    async with service.background.hold(service.check(asked), who, "picture") as job:
        try:
            over = await while_there(request, service.background.wait(job.id, who))
        except (ClientLeftError, asyncio.CancelledError) as left:
            if isinstance(left, ClientLeftError) or not service.draining:
                await to_its_end(service.background.delete(job.id, who))
            raise
    if over is None or over.result is None:
        raise _unlinked(job.id, over, lasting=service.settings.folder is not None, why=service.unready())
    return [ImageData(url=link_to(request, service, job.id, file.variant, who)) for file in over.result.files], over


def _unlinked(id: str, job: JobRecord | None, *, lasting: bool, why: str) -> ApiError:
    """Return what is told in place of links, of a job that gave nothing, or is still open.

    Args:
        id: of the job.
        job: as it is now; None if it was deleted.
        lasting: whether jobs outlive the server.
        why: the server makes nothing any more.
    """
    if job is not None and job.open and lasting:
        place = f"/v1/images/{id}"
        said = f"{why}: they are not made yet; they stay promised, and will be at {place} once it runs again"
        headers = {"location": place, "x-should-retry": "false"}
        return ApiError(503, said, code="still_promised", headers=headers)
    if job is not None and job.open:
        return of_failure("cancelled", f"they were not made: {why}")
    if job is None or job.error is None:
        return ApiError(404, "they were deleted before they were made", code="not_found")
    return of_failure(job.error.code, job.error.text)


def _check(body: PicturesWanted, where: str) -> None:
    """Refuse what is asked for beside files."""
    if body.stream or body.output_format != "png":
        field = "stream" if body.stream else "output_format"
        raise ApiError(400, f"{field}: pictures {where} are PNG, and no stream", code="invalid_value", param=field)
    refuse_deadline(body, f"pictures {where}")


def refuse_deadline(body: Generating, what: str) -> None:
    """Refuse a deadline of what is promised.

    Raises:
        ApiError: if there is one.
    """
    if body.deadline_ms is not None:
        said = f"deadline_ms: {what} are made when it is their turn; leave it out, or ask for pictures in a plain call"
        raise ApiError(400, said, code="invalid_value", param="deadline_ms")


@router.get("/v1/images/{id}", response_model=PromisedImages, response_model_exclude_none=True)
async def retrieve(id: str, service: Serving, who: Caller) -> Any:
    """Tell of promised pictures, with these once they are made; of a plain call, whose answer was all, how it ended."""
    job = await service.background.get(id, who)
    if job is not None and job.kind == "picture":
        return await _told(service, job)
    call = await service.background.tombstones.get(id, who)
    if call is None:
        raise _unknown()
    return _left(call)


@router.delete("/v1/images/{id}")
async def delete(id: str, service: Serving, who: Caller) -> ImagesDeleted:
    """Delete promised pictures; if they are being made that is ended."""
    job = await service.background.get(id, who)
    if job is None or job.kind != "picture" or await service.background.delete(id, who) is None:
        raise _unknown()
    return ImagesDeleted(id=id)


def _unknown() -> ApiError:
    return ApiError(404, "there are no such pictures", code="not_found", param="id")


def _left(call: Call) -> PromisedImages:
    """What is left of a plain call: no pictures, and not what was asked for."""
    over = None if call.state in ("running", "done") else PromiseError(code=call.state, message=LEFT[call.state])
    status: Any = {"running": "in_progress", "done": "completed"}.get(call.state, "failed")
    ended = int(call.ended) if call.state == "done" and call.ended is not None else None
    progress = 100 if call.state == "done" else 0
    created = int(call.created)
    return PromisedImages(
        id=call.id, status=status, progress=progress, created_at=created, completed_at=ended, error=over
    )


async def _told(service: Service, job: JobRecord) -> PromisedImages:
    data = None
    if job.result is not None:
        data = [ImageData(b64_json=base64.b64encode(file).decode()) for file in await read_files(service, job)]
    return PromisedImages(**fields_of(job, service.background.progress(job)), data=data)

"""Videos: `POST /v1/videos`, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse

from ...errors import JobError
from ..jobs.record import JobRecord
from ..requests.identity import Identity
from ..service import Service
from .errors import ApiError
from .forms import form_body, is_form, read_form, validate
from .parts import caller, cards_of, model_of, read_json, service_of
from .pictures import read_picture, unpack
from .promised import refuse_deadline
from .reports.results import send_file
from .schemas.extensions import ignored_in
from .schemas.videos import Remix, Video, VideoCreate, VideoDeleted, VideoList, video_of

router = APIRouter()

Serving = Annotated[Service, Depends(service_of)]
Caller = Annotated[Identity, Depends(caller)]

REFERENCE = "input_reference"

POLL = "openai-poll-after-ms"
"""The header that tells clients when to look again."""

BODIES = form_body(VideoCreate, [REFERENCE], json_too=True)


@router.post("/v1/videos", response_model=Video, response_model_exclude_none=True, openapi_extra=BODIES)
async def create(request: Request, response: Response, service: Serving, who: Caller) -> Any:
    """Promise a video; it is made when it is its turn, also if the server ends before that."""
    files: dict[str, list[bytes]] = {}
    if is_form(request):
        body, files = await read_form(request, VideoCreate, [REFERENCE])
    else:
        body = validate(VideoCreate, await read_json(request))
    card = service.cards[model_of(service, body.model, "video")]
    refuse_deadline(body, "videos")
    asked = body.asked(card)
    if files:
        if len(files[REFERENCE]) > 1:
            raise ApiError(400, "one picture is taken", code="invalid_value", param=REFERENCE)
        picture = await unpack(request, partial(read_picture, files[REFERENCE][0], REFERENCE))
        asked = replace(asked, pictures={"image": picture})
    who = replace(who, user=body.claimed_user)
    told = _told(service, response, await service.background.add(service.check(asked), who, "video"))
    return told.model_copy(update=ignored_in(body, told.evocache))


@router.get("/v1/videos", response_model=VideoList, response_model_exclude_none=True)
async def list_videos(
    service: Serving,
    who: Caller,
    after: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Any:
    """List own videos."""
    try:
        page = await service.background.list(who, "video", after, limit, order)
    except JobError as error:
        raise ApiError(400, str(error), code="invalid_value", param="after") from None
    videos = [_video(service, job) for job in page.records]
    ends = (videos[0].id, videos[-1].id) if videos else (None, None)
    return VideoList(data=videos, has_more=page.has_more, first_id=ends[0], last_id=ends[1])


@router.get("/v1/videos/{id}", response_model=Video, response_model_exclude_none=True)
async def retrieve(id: str, response: Response, service: Serving, who: Caller) -> Any:
    """Tell of a video; one that failed is told of like any other."""
    return _told(service, response, await _job(service, id, who))


@router.delete("/v1/videos/{id}")
async def delete(id: str, service: Serving, who: Caller) -> VideoDeleted:
    """Delete a video; if it is being made it is ended."""
    await _job(service, id, who)
    if await service.background.delete(id, who) is None:
        raise _unknown(id)
    return VideoDeleted(id=id)


@router.get(
    "/v1/videos/{id}/content",
    response_class=FileResponse,
    responses={200: {"content": {"video/mp4": {}, "image/webp": {}}}, 409: {"description": "not made yet"}},
)
async def content(
    id: str,
    service: Serving,
    who: Caller,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> FileResponse:
    """Send a video, its thumbnail, or a sheet of its frames."""
    job = await _job(service, id, who)
    if job.open:
        raise ApiError(409, f"it is {job.state}; ask again when it is completed", code="not_ready")
    if job.result is None:
        raise ApiError(404, f"it has no content: it {job.state}", code="no_content")
    file = next(file for file in job.result.files if file.variant == variant)
    return await send_file(service, job, file)


@router.post("/v1/videos/{id}/remix", response_model=Video, response_model_exclude_none=True)
async def remix(id: str, body: Remix, response: Response, service: Serving, who: Caller) -> Any:
    """Promise a video like another one, seed included, of another prompt."""
    before = await _job(service, id, who)
    if before.model not in cards_of(service):
        raise ApiError(404, f"model {before.model!r} is served no more", code="model_not_found")
    asked = await service.background.request(before)
    asked = replace(asked, arguments={**asked.arguments, "prompt": body.prompt}, seed=before.seed)
    who = replace(who, user=before.user)
    return _told(service, response, await service.background.add(service.check(asked), who, "video", before.id))


async def _job(service: Service, id: str, who: Identity) -> JobRecord:
    job = await service.background.get(id, who)
    if job is None or job.kind != "video":
        raise _unknown(id)
    return job


def _unknown(id: str) -> ApiError:
    return ApiError(404, "there is no such video", code="not_found", param="id")


def _video(service: Service, job: JobRecord) -> Video:
    return video_of(job, service.cards.get(job.model), service.background.progress(job))


def _told(service: Service, response: Response, job: JobRecord) -> Video:
    if job.open:
        response.headers[POLL] = "500" if job.state == "running" else "1000"
    return _video(service, job)

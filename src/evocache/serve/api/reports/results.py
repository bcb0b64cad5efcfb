"""Results that signed links lead to: `GET /v1/results/{id}/{variant}`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse

from ....errors import StoreError
from ...jobs.record import JobRecord, ResultFile
from ...requests.identity import Identity
from ...service import Service
from ..errors import ApiError
from ..parts import service_of

router = APIRouter()


@router.get("/v1/results/{id}/{variant}", response_class=FileResponse)
async def result(
    id: str,
    variant: str,
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    expires: str = "",
    mark: str = "",
    signature: str = "",
) -> FileResponse:
    """Send a part of a result to whoever has a link to it that is signed and not over."""
    if not service.links.check(id, variant, {"expires": expires, "mark": mark, "signature": signature}):
        raise ApiError(403, "this link is not valid, or not any more; ask for a new one", code="invalid_link")
    job = await service.background.find(id)
    if job is None or job.result is None or not service.links.is_of(mark, job.tenant, job.owner):
        raise _gone()
    file = next((file for file in job.result.files if file.variant == variant), None)
    if file is None:
        raise _gone()
    return await send_file(service, job, file)


async def send_file(service: Service, job: JobRecord, file: ResultFile) -> FileResponse:
    """Return a part of a job's result as an answer.

    Raises:
        ApiError: 404, if it was deleted meanwhile.
    """
    try:
        path, stat = await service.background.file(job, file.variant)
    except (StoreError, FileNotFoundError) as error:
        raise gone_or(error) from None
    headers = {"cache-control": "private, no-store"}
    return FileResponse(path, media_type=file.media_type, headers=headers, stat_result=stat)


async def read_files(service: Service, job: JobRecord) -> tuple[bytes, ...]:
    """Return the bytes of each file of a job's result.

    Raises:
        ApiError: 404, if it was deleted meanwhile.
    """
    try:
        return await service.background.contents(job)
    except StoreError as error:
        raise gone_or(error) from None


def gone_or(error: Exception) -> Exception:
    """Return what is told of a file that is not there; an error of another kind as it is."""
    missing = error if isinstance(error, FileNotFoundError) else error.__cause__
    return _gone() if isinstance(missing, FileNotFoundError) else error


def link_to(request: Request, service: Service, id: str, variant: str, who: Identity) -> str:
    """Return the address of a part of a result of who asks, which needs no key and ends after a while."""
    path = service.links.sign(id, variant, who.tenant, who.key)
    return str(request.base_url).rstrip("/") + path


def _gone() -> ApiError:
    return ApiError(404, "there is no such result any more", code="not_found")

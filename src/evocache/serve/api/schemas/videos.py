"""Bodies of requests for videos, and of their answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ....errors import JobError
from ...background.request_text import read_arguments
from ...jobs.record import JobRecord
from ...requests.request import GenerationRequest
from ...workers.card import ModelCard
from .extensions import Generating
from .promised import PromiseError, Status, fields_of
from .size import Size, sides


class VideoCreate(Generating):
    """The body of `POST /v1/videos`, as JSON or as a form; `input_reference` is a file of the latter.

    `quality` is one of OpenAI's names, or the least quality in the measure of the model's front.
    """

    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    size: Size | None = None
    num_frames: Annotated[int, Field(ge=1, le=10_000)] | None = None
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto"] | float | None = None

    def asked(self, card: ModelCard) -> GenerationRequest:
        """Return what is asked for, of a model."""
        arguments = {**self.arguments(), **sides(self.size)}
        frames = self.num_frames
        if frames is None and self.seconds is not None:
            frames = max(1, round(self.seconds * card.frames_per_second))
        if frames is not None:
            arguments["num_frames"] = frames
        wishes, loras = self.wishes(self.quality), self.named_loras()
        return GenerationRequest(card.name, arguments, seed=self.seed, wishes=wishes, loras=loras)


class Remix(BaseModel):
    """The body of a remix: the same once more, of another prompt."""

    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[str, Field(min_length=1, max_length=32_000)]


class Video(BaseModel):
    """A video, wanted or made; `evocache` says how it was made."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Status
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    seconds: str
    size: str
    prompt: str | None = None
    remixed_from_video_id: str | None = None
    error: PromiseError | None = None
    evocache: dict[str, Any] | None = None


class VideoList(BaseModel):
    """A page of videos."""

    object: Literal["list"] = "list"
    data: list[Video]
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None


class VideoDeleted(BaseModel):
    """That a video is gone."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def video_of(job: JobRecord, card: ModelCard | None, progress: int) -> Video:
    """Return a job as clients see it.

    Args:
        job: the job.
        card: its model; None if it is served no more.
        progress: of 100.
    """
    try:
        arguments = read_arguments(job.request)
    except JobError:  # of a newer version
        arguments = {}
    values = {**(card.defaults if card is not None else {}), **arguments}
    frames, rate = values.get("num_frames"), card.frames_per_second if card is not None else 8
    return Video(
        **fields_of(job, progress),
        seconds=f"{frames / rate:g}" if isinstance(frames, int) else "0",
        size=f"{values['width']}x{values['height']}" if {"width", "height"} <= values.keys() else "auto",
        prompt=str(values["prompt"]) if "prompt" in values else None,
        remixed_from_video_id=job.remixed_from,
    )

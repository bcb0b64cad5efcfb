"""Bodies of requests for pictures, and of their answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from ...requests.request import GenerationRequest
from .extensions import Generating
from .promised import PromiseError, Status
from .size import Size, sides

Format = Literal["png", "webp", "jpeg"]


class PicturesWanted(Generating):
    """What requests for pictures, made or edited, have in common.

    `background` is that of the pictures, or, as a truth, whether they are promised, and made in the background.

    `quality` is one of OpenAI's names, or the least quality in the measure of the model's front.
    """

    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: Size | None = None
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | float | None = None
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Format = "png"
    output_compression: Annotated[int, Field(ge=0, le=100)] = 100
    background: Literal["opaque", "auto"] | bool | None = None
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0

    def ignored(self) -> list[str]:
        """Return names of fields that are given and change nothing, as `partial_images` without a stream."""
        found = super().ignored()
        found += ["partial_images"] if self.partial_images and not self.stream else []
        return [*found, "response_format"] if self.background is True and self.response_format == "url" else found

    def asked(self, model: str) -> GenerationRequest:
        """Return what is asked for, of a model of the server."""
        level: Any = self.quality  # older names too
        arguments = {**self.arguments(), **sides(self.size)}
        return GenerationRequest(
            model, arguments, seed=self.seed, count=self.n, wishes=self.wishes(level), loras=self.named_loras()
        )


class ImagesGeneration(PicturesWanted):
    """The body of `POST /v1/images/generations`.

    `moderation`, `style` and `complexity` are taken and change nothing; the answer says so.
    """

    without_effect: ClassVar[tuple[str, ...]] = ("moderation", "style", "complexity")

    moderation: Literal["low", "auto"] | None = None
    style: Literal["vivid", "natural"] | None = None
    complexity: Literal["low", "medium", "high"] | None = None


class ImagesEdit(PicturesWanted):
    """The fields of `POST /v1/images/edits`; `image` and `mask` are files beside them.

    `strength` says how much of the picture is made anew, from 0 to 1. `input_fidelity` is taken and changes nothing;
    the answer says so.
    """

    without_effect: ClassVar[tuple[str, ...]] = ("input_fidelity",)

    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    input_fidelity: Literal["high", "low"] | None = None


class ImageData(BaseModel):
    """One picture of an answer, in one of two forms."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: None = None


class PromisedImages(BaseModel):
    """Pictures that are promised, or made; `evocache` says how they were made."""

    id: str
    object: Literal["image.generation"] = "image.generation"
    model: str | None = None
    status: Status
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    data: list[ImageData] | None = None
    error: PromiseError | None = None
    evocache: dict[str, Any] | None = None


class ImagesDeleted(BaseModel):
    """That promised pictures are gone."""

    id: str
    object: Literal["image.generation.deleted"] = "image.generation.deleted"
    deleted: Literal[True] = True


class TokensDetails(BaseModel):
    """Tokens by kind; there are none."""

    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """Tokens, which diffusion has none of; clients expect the numbers."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: TokensDetails = TokensDetails()


class Images(BaseModel):
    """The answer to a request for pictures; `evocache` says how each was made."""

    created: int
    data: list[ImageData]
    background: Literal["opaque"] = "opaque"
    output_format: Format
    quality: str
    size: str
    safety_identifier: str | None = None
    usage: Usage = Usage()
    evocache: dict[str, Any]

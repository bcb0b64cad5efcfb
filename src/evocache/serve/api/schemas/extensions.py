"""Fields of our own that every request which generates may have, under the names that other servers have for them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...requests.request import Level, Wishes

Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
"""Numbers that every generator takes, and JSON keeps."""

PIPELINE = ("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "true_cfg_scale", "strength")
"""Fields that are arguments of pipelines' calls as they stand."""

MOST_LORAS = 8
"""Most LoRAs of a request."""


class Generating(BaseModel):
    """What every request that generates may say.

    Fields of ours may stand at the top, or within an object `evocache`.
    """

    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)

    without_effect: ClassVar[tuple[str, ...]] = ()

    prompt: Annotated[str, Field(min_length=1, max_length=32_000)]
    model: Annotated[str, Field(max_length=256)] | None = None
    negative_prompt: Annotated[str, Field(max_length=32_000)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    true_cfg_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    seed: Seed | None = None
    speedup: Annotated[float, Field(gt=0, le=100)] | None = None
    deadline_ms: Annotated[int, Field(gt=0, le=86_400_000)] | None = None
    loras: Annotated[dict[str, float] | list[str], Field(max_length=MOST_LORAS)] | None = None
    cache: Literal["use", "refresh", "off"] = "use"
    learn: bool = False
    user: Annotated[str, Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, given: Any) -> Any:
        """Take what is within `evocache`, or named `evocache[...]` in a form, as if it stood at the top."""
        if not isinstance(given, dict):
            return given
        flat = {name: value for name, value in given.items() if name != "evocache"}
        flat = _gather(flat, "loras")
        inner = given.get("evocache")
        if inner is not None and not isinstance(inner, dict):
            raise ValueError("evocache: expected an object")
        named = {name[9:-1]: flat.pop(name) for name in list(flat) if name.startswith("evocache[") and name[-1] == "]"}
        for name, value in {**named, **(inner or {})}.items():
            if flat.get(name) is not None:
                raise ValueError(f"{name} stands twice: at the top, and within evocache")
            flat[name] = value
        return flat

    def ignored(self) -> list[str]:
        """Return names of fields that are given and change nothing."""
        return [name for name in self.without_effect if getattr(self, name) is not None]

    @property
    def claimed_user(self) -> str:
        """Whom the request names as its user."""
        return self.safety_identifier or self.user or ""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the pipeline's call that are given."""
        found = {name: getattr(self, name, None) for name in PIPELINE}
        return {name: value for name, value in found.items() if value is not None}

    def named_loras(self) -> dict[str, float | None]:
        """Return the LoRAs that are named, with their weights; None for the usual one."""
        return dict(self.loras) if isinstance(self.loras, dict) else dict.fromkeys(self.loras or (), None)

    def wishes(self, quality: Level | float | None) -> Wishes:
        """Return what is wished beside."""
        deadline = None if self.deadline_ms is None else self.deadline_ms / 1000
        return Wishes(self.speedup, quality, deadline, self.cache, self.learn)


def _gather(fields: dict[str, Any], field: str) -> dict[str, Any]:
    """Put fields of a form, `loras[ink]` or `evocache[loras][ink]`, into the object that they are parts of."""
    found: dict[str, Any] = {}
    left = dict(fields)
    for name in fields:
        for start in (f"{field}[", f"evocache[{field}]["):
            if name.startswith(start) and name.endswith("]"):
                found[name[len(start) : -1]] = left.pop(name)
    if not found:
        return fields
    if field in left:
        raise ValueError(f"{field} stands twice")
    return {**left, field: list(found.values()) if list(found) == [""] else found}


def ignored_in(body: Generating, said: dict[str, Any] | None) -> dict[str, Any]:
    """Return the `evocache` of an answer, with the names of fields of its request that changed nothing."""
    ignored = body.ignored()
    return {"evocache": {**(said or {}), "ignored": ignored} if ignored else said}

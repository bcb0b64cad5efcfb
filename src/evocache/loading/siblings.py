"""Pipelines on the same parts as another one: what begins with a picture, or paints under a mask."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..model.pipeline_components import list_components
from .example_call import IMAGE, MASK
from .masked import paint_under_masks

KINDS = {IMAGE: "Img2ImgPipeline", MASK: "InpaintPipeline"}
"""How the names of diffusers' pipelines end that are given something besides."""


CHANNELS = (None, 4, 9)
"""Channels of a U-Net's latents that diffusers' pipelines paint under masks with; None where there is no U-Net."""


def find_siblings(pipe: Any) -> dict[str, Any]:
    """Return pipelines on a pipeline's own parts by what they are given besides: `image`, `mask_image`.

    None for a pipeline that takes a picture itself, or of which diffusers knows no such sibling; nothing is loaded.
    Siblings are found by the names of their classes: `AutoPipelineForImage2Image` imports all pipelines that there are.
    """
    name = type(pipe).__name__
    if IMAGE in inspect.signature(type(pipe).__call__).parameters or not name.endswith("Pipeline"):
        return {}
    import diffusers

    found: dict[str, Any] = {}
    for given, end in KINDS.items():
        cls = getattr(diffusers, name.removesuffix("Pipeline") + end, None)
        if given == MASK and cls is not None and _count_channels(pipe) not in CHANNELS and IMAGE in found:
            cls = paint_under_masks(type(found[IMAGE]))
        if cls is None or given not in inspect.signature(cls.__call__).parameters:
            continue
        options = _choose_parts(pipe, inspect.signature(cls.__init__).parameters)
        if options is not None:
            found[given] = cls(**options)
            found[given].set_progress_bar_config(disable=True)
    return found


def _count_channels(pipe: Any) -> int | None:
    """Channels that a pipeline's U-Net takes; None if it has none."""
    found = getattr(getattr(getattr(pipe, "unet", None), "config", None), "in_channels", None)
    return found if isinstance(found, int) else None


def _choose_parts(pipe: Any, accepted: Mapping[str, inspect.Parameter]) -> dict[str, Any] | None:
    """What a pipeline's class is made of, from the parts and settings of another pipeline; None if that lacks some."""
    parts = list_components(pipe)
    known = {name: value for name, value in dict(pipe.config).items() if name not in parts}
    options = {name: value for name, value in {**known, **parts}.items() if name in accepted}
    needed = {name for name, p in accepted.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    return options if needed - {"self"} <= options.keys() else None

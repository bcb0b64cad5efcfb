"""A pipeline object for one request: what a call writes on it is its own, what has weights is shared."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from ....model.pipeline_components import list_components


def own_pipeline(pipe: Any) -> Any:
    """Return a pipeline for one request: a shallow copy, whose components without weights are copies too.

    Pipelines write what a call needs on themselves (`_guidance_scale`, `_num_timesteps`, `_interrupt`), on their
    scheduler, their guider and their tokenizers (how the latest call pads). Modules are shared. Pipelines within a
    pipeline are copied so too, and share these copies as they share the originals.
    """
    return _own(pipe, {})


def _own(pipe: Any, made: dict[int, Any]) -> Any:
    own = made[id(pipe)] = copy.copy(pipe)
    for name, value in list(vars(pipe).items()):
        if callable(getattr(type(value), "register_modules", None)):  # a pipeline
            vars(own)[name] = made[id(value)] if id(value) in made else _own(value, made)
    for name, part in list_components(pipe).items():
        if part is not None and not isinstance(part, nn.Module):
            if id(part) not in made:
                made[id(part)] = copy.deepcopy(part)
            setattr(own, name, made[id(part)])
    settings = getattr(pipe, "_progress_bar_config", None)
    own._progress_bar_config = {**(settings or {}), "disable": True}
    return own

"""A pipeline object for one request: what a call writes on it is its own, what has weights is shared."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from .own_copy import Memo, has_parts, own_copy


def own_pipeline(pipe: Any) -> Any:
    """Return a pipeline for one request: a shallow copy, whose components without weights are copies too.

    Pipelines write what a call needs on themselves (`_guidance_scale`, `_num_timesteps`, `_interrupt`), on their
    scheduler, their guider and their tokenizers (how the latest call pads). Modules are shared. Pipelines within a
    pipeline are copied so too, and share these copies as they share the originals.
    """
    return _own(pipe, {})


def _own(pipe: Any, memo: Memo) -> Any:
    own = memo[id(pipe)] = copy.copy(pipe)
    attributes, config = vars(own), getattr(pipe, "config", {})
    for name, value in list(attributes.items()):
        if callable(getattr(type(value), "register_modules", None)):  # a pipeline
            attributes[name] = memo[id(value)] if id(value) in memo else _own(value, memo)
        elif isinstance(value, nn.Module):
            continue
        elif name in config or isinstance(value, (list, dict, set)) or has_parts(value):
            attributes[name] = own_copy(value, memo)
    settings = getattr(pipe, "_progress_bar_config", None)
    attributes["_progress_bar_config"] = {**(settings or {}), "disable": True}
    return own

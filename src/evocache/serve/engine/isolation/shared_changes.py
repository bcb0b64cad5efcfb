"""What a call changes in modules that it shares with others, so that the others have to wait until it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from ....model.pipeline_components import list_components

Read = Callable[[], object]


class SharedState:
    """Looks at what pipelines change in shared modules for the time of a call, and gives it back.

    That are attention processors (perturbed-attention guidance, LEDITS++, text-to-video-zero) and their scales
    (IP-adapters), scales and choice of adapters (LoRA), and entries of configs.

    Args:
        pipe: the pipeline, between two calls.
    """

    def __init__(self, pipe: Any) -> None:
        parts = [part for part in list_components(pipe).values() if isinstance(part, nn.Module)]
        self._modules = [module for part in parts for module in part.modules() if _changing(module)]
        self._parts = parts
        self._processors = [(m, m.processor) for m in self._modules if _has_processor(m)]
        self._before = self._look()

    @property
    def changed(self) -> bool:
        """Whether something is not what it was."""
        return self._look() != self._before

    def restore(self) -> bool:
        """Put back what a call left changed, as far as these are processors; whether all is what it was."""
        for module, processor in self._processors:
            if module.processor is not processor:
                module.processor = processor
        return not self.changed

    def _look(self) -> Sequence[object]:
        return [*(_state(module) for module in self._modules), *(_config(part) for part in self._parts)]


def _has_processor(module: nn.Module) -> bool:
    return callable(getattr(module, "processor", None))


def _changing(module: nn.Module) -> bool:
    return _has_processor(module) or isinstance(getattr(module, "scaling", None), dict)


def _state(module: nn.Module) -> object:
    processor, scaling = getattr(module, "processor", None), getattr(module, "scaling", None)
    scales = getattr(processor, "scale", None)
    found = (id(processor), tuple(scales) if isinstance(scales, list) else scales)
    if not isinstance(scaling, dict):
        return found
    return (*found, tuple(scaling.items()), getattr(module, "_active_adapter", None), getattr(module, "merged", None))


def _config(part: nn.Module) -> object:
    config = vars(part).get("_internal_dict")
    return id(config), len(config) if config is not None else 0

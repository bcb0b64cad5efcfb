"""A denoiser without a pipeline: the model of a denoising loop that a user writes."""

from __future__ import annotations

from typing import Any, NoReturn
from weakref import WeakValueDictionary

import torch
from torch import nn

from ..errors import PipelineError
from .discover import is_denoiser, unwrap

NAME = "denoiser"
"""The name of its one component."""


class BareDenoiser:
    """Stands for the pipeline of a bare denoiser, which is its only component; the loop is the user's.

    Args:
        module: the denoiser.

    Raises:
        PipelineError: if the module is no denoiser.
    """

    def __init__(self, module: nn.Module) -> None:
        if not is_denoiser(NAME, module):
            raise PipelineError(
                f"a {type(module).__name__}, which is no denoiser",
                "a diffusers pipeline, or its transformer or unet",
                "pass the pipeline that uses it",
            )
        self.denoiser = module
        _MADE[id(unwrap(module))] = self

    @classmethod
    def of(cls, module: nn.Module) -> BareDenoiser:
        """Return what stands for the pipeline of a denoiser: one and the same, as long as somebody has it.

        Raises:
            PipelineError: if the module is no denoiser.
        """
        found = cls.known(module)
        if found is None:
            return cls(module)
        found.denoiser = module  # it may have been compiled meanwhile
        return found

    @staticmethod
    def known(module: nn.Module) -> BareDenoiser | None:
        """Return what stands for the pipeline of a denoiser; None if there is nothing."""
        return _MADE.get(id(unwrap(module)))

    @property
    def components(self) -> dict[str, Any]:
        """The denoiser by its name."""
        return {NAME: self.denoiser}

    @property
    def _execution_device(self) -> torch.device:
        return next(self.denoiser.parameters()).device

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there is no pipeline that could be called."""
        raise PipelineError(
            f"a call of a bare {type(self.denoiser).__name__}",
            "a denoising loop within `with handle.generation(steps=20):`",
            "call the denoiser in the loop, or apply to the pipeline that uses it",
        )


_MADE: WeakValueDictionary[int, BareDenoiser] = WeakValueDictionary()
"""By the identity of a denoiser; what stands for its pipeline holds it, so that no other module has the same.

Nothing is written on the module itself: copies and files of it would have it, too.
"""

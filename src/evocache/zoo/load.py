"""The embedded models by name, loaded through ordinary diffusers classes, without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evocache.errors import ZooError

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Zoo:
    """An embedded model: where it lies, and what to pass to its call unless the user says else."""

    name: str
    folder: Path
    call_defaults: Mapping[str, Any]

    @property
    def front(self) -> Path:
        """The front that was evolved for it, a file for `Front.load` and `evocache generate --schedule`."""
        return self.folder / "front.json"


_MODELS = (
    Zoo(
        name="zoo:emoji",
        folder=_WEIGHTS / "emoji",
        call_defaults=MappingProxyType(
            {
                "num_inference_steps": 20,
                "guidance_scale": 2.5,
                "height": 48,
                "width": 48,
                # The pipeline's bins and caption cleaning are made for other models.
                "use_resolution_binning": False,
                "clean_caption": False,
                # The longest training caption has 12 tokens; padding is masked.
                "max_sequence_length": 16,
            }
        ),
    ),
)


def names() -> tuple[str, ...]:
    """Names of the embedded models."""
    return tuple(model.name for model in _MODELS)


def find(name: str = "zoo:emoji") -> Zoo:
    """The entry of a model; the prefix `zoo:` may be left out."""
    for model in _MODELS:
        if name in (model.name, model.name.removeprefix("zoo:")):
            return model
    raise ZooError(
        given=f"the zoo model {name!r}",
        expected=f"one of {', '.join(names())}",
        mend="write one of these names, or load other models with diffusers",
    )


@contextmanager
def no_bars() -> Iterator[None]:
    """Within the context diffusers and transformers draw no progress bars; imports them."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    hosts = [host for host in (diffusers_logging, transformers_logging) if host.is_progress_bar_enabled()]
    for host in hosts:
        host.disable_progress_bar()
    try:
        yield
    finally:
        for host in hosts:
            host.enable_progress_bar()


def load(name: str = "zoo:emoji", *, dtype: torch.dtype | None = None) -> DiffusionPipeline:
    """The pipeline of an embedded model, on the CPU; call it with `find(name).call_defaults`.

    `dtype` is that of the loaded weights, float32 by default (they are stored in float16).
    """
    import torch
    from diffusers import DiffusionPipeline

    model = find(name)
    if not (model.folder / "model_index.json").is_file():
        raise ZooError(
            given=f"{model.name} without weights in {model.folder}",
            expected="the folder of a diffusers pipeline",
            mend="install the package again, or train the model: python -m training.emoji",
        )
    with no_bars():  # they would outlast the load of 20 MB
        pipeline: DiffusionPipeline = DiffusionPipeline.from_pretrained(model.folder, local_files_only=True)
    # As an argument of from_pretrained its name would differ between versions of diffusers, and
    # the pipeline's own `to` warns of modules to be kept in float32, of which there are none.
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            torch.nn.Module.to(module, dtype or torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline

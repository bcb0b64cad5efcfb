"""Loading the embedded models through ordinary diffusers classes, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evocache.errors import ZooError
from evocache.zoo.models import Zoo, find

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline


@contextmanager
def silence_bars() -> Iterator[None]:
    """Silence the progress bars of diffusers and transformers within the context; both are imported."""
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


@contextmanager
def _silent() -> Iterator[None]:
    """Within the context diffusers and transformers log errors only.

    A motion U-Net warns of modules to be kept in float32, of which it has none; image processors, which
    the pipelines import and do not use here, warn of a faster form of themselves.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    hosts = [(host, host.get_verbosity()) for host in (diffusers_logging, transformers_logging)]
    for host, _ in hosts:
        host.set_verbosity_error()
    try:
        yield
    finally:
        for host, before in hosts:
            host.set_verbosity(before)


def load(name: str = "zoo:emoji", *, dtype: torch.dtype | None = None) -> DiffusionPipeline:
    """Load the pipeline of an embedded model on the CPU; `load("zoo:emoji")("fox").images[0]` is a picture.

    It is of a diffusers class whose call has the defaults that fit the model, `find(name).call_defaults`.
    `dtype` is that of the loaded weights, float32 by default (they are stored in float16).

    Raises:
        ZooError: if there is no such model, or its weights are not there.

    >>> zoo.load("zoo:emoji")("a red fox", num_inference_steps=2).images[0].size
    (48, 48)
    """
    import torch

    model = find(name)
    if not model.is_there:
        raise ZooError(
            given=f"{model.name} without weights in {model.folder}",
            expected="the folder of a diffusers pipeline",
            mend=f"install the package again, or train the model: python -m {model.training}",
        )
    with silence_bars(), _silent():  # bars would outlast the load of 20 MB
        from evocache.zoo import pipelines

        of_model = getattr(pipelines, json.loads((model.folder / "model_index.json").read_text())["_class_name"])
        pipeline: DiffusionPipeline = of_model.from_pretrained(model.folder, local_files_only=True, **_borrowed(model))
    # As an argument of from_pretrained its name would differ between versions of diffusers, and
    # the pipeline's own `to` warns of modules to be kept in float32, of which there are none.
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            torch.nn.Module.to(module, dtype or torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _borrowed(model: Zoo) -> dict[str, Any]:
    """Load the parts that the folder of a model does not hold, from the nearest base that does."""
    parts: dict[str, Any] = {}
    for part, (library, kind) in read_index(model).items():
        folder = find_folder(model, part)
        if folder.parent != model.folder:
            parts[part] = getattr(import_module(library), kind).from_pretrained(folder, local_files_only=True)
    return parts


def find_folder(model: Zoo, part: str) -> Path:
    """Return the folder of a part of a model: its own, or that of the nearest base that has one."""
    lender = model
    while not (lender.folder / part).is_dir() and lender.base:
        lender = find(lender.base)
    return lender.folder / part


def read_index(model: Zoo) -> dict[str, tuple[str, str]]:
    """Return library and class of each part of a pipeline that is not empty."""
    stored = json.loads((model.folder / "model_index.json").read_text(encoding="utf-8"))
    return {part: tuple(value) for part, value in stored.items() if isinstance(value, list) and value[0]}

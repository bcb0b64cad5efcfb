"""The denoiser classes of the installed diffusers, found by looking at what it exports and what its pipelines hold."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from typing import Any

import diffusers
from diffusers import DiffusionPipeline, ModelMixin
from diffusers.models import transformers, unets
from torch import nn


def exported() -> dict[str, type[nn.Module]]:
    """Model classes that `diffusers.models.transformers` and `diffusers.models.unets` export, by name."""
    found = {name: thing for package in (transformers, unets) for name, thing in vars(package).items()}
    return {name: c for name, c in sorted(found.items()) if inspect.isclass(c) and issubclass(c, ModelMixin)}


def held() -> dict[str, type[nn.Module]]:
    """Model classes of diffusers that pipelines hold as a denoiser: called with a time, or named like one."""
    found = {}
    for pipeline in pipelines():
        for name, annotation in annotations(pipeline).items():
            for c in (annotation, *typing.get_args(annotation)):
                if inspect.isclass(c) and issubclass(c, ModelMixin) and denoises(name, c):
                    found[c.__name__] = c
    return found


def pipelines() -> Iterator[type[DiffusionPipeline]]:
    """All pipeline classes, those that are deprecated included."""
    for module in pkgutil.walk_packages(diffusers.pipelines.__path__, "diffusers.pipelines."):
        try:
            members = vars(importlib.import_module(module.name))
        except ImportError:
            continue  # it needs a package that is not installed
        for thing in members.values():
            if inspect.isclass(thing) and issubclass(thing, DiffusionPipeline) and thing.__module__ == module.name:
                yield thing


def annotations(pipeline: type[DiffusionPipeline]) -> dict[str, Any]:
    """Types of a pipeline's components."""
    try:
        return typing.get_type_hints(pipeline.__init__)
    except NameError:
        return {}


def denoises(component: str, c: type[nn.Module]) -> bool:
    """Whether a component's class denoises, by the names of its forward's arguments or its own name in the pipeline."""
    arguments = inspect.signature(c.forward).parameters
    if any(name in c.__name__ for name in ("ControlNetModel", "ControlNetUnionModel", "Autoencoder", "Adapter")):
        return False
    timed = any("timestep" in name or name.endswith("noise_time") for name in arguments)
    return timed or component == "decoder" or component.split("_")[-1] in ("unet", "transformer", "prior")

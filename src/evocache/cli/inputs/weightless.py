"""Loading a pipeline without its weights: from the configs alone, on the meta device."""

from __future__ import annotations

from typing import Any

from ...loading.dtypes import find_dtype
from ...loading.pipelines import describe_unloadable, locate


def load_weightless(model: str, *, dtype: str = "auto") -> Any:
    """Load a pipeline without weights, which takes no memory, to plan with; of a hub id fetch small files alone.

    Args:
        model: a zoo name, the folder of a diffusers pipeline, or a hub id (`owner/name`).
        dtype: as for `load_pipeline`.

    Raises:
        ModelError: if there is no such model, or its parts cannot be made from their configs.
        InputError: if there is no such type.
    """
    import diffusers
    import torch

    from ...model.pipeline_components import list_components

    source, wanted = locate(model), find_dtype(dtype)
    host: Any = diffusers
    if source.startswith("zoo:"):
        from ...zoo import pipelines as host
    try:
        index = diffusers.DiffusionPipeline.load_config(_find_folder(source))
        cls: Any = getattr(host, index["_class_name"])
        named = {name: value for name, value in index.items() if not name.startswith("_")}
        parts: dict[str, Any] = {}
        for name, value in named.items():
            if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, str) for v in value):
                parts[name] = _make_part(*_find_part(source, name), *value)
            elif isinstance(value, (list, tuple)) and list(value) == [None, None]:
                parts[name] = None
            else:
                parts[name] = value
        with torch.device("meta"):  # some pipelines make one model of two
            pipe = cls(**parts)
    except (OSError, ValueError, AttributeError, ImportError, KeyError, TypeError) as error:
        raise describe_unloadable(source, error) from error
    for part in list_components(pipe).values():
        if isinstance(part, torch.nn.Module):
            part.to("meta", wanted).eval()  # some parameters are made on the CPU whatever the device
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _find_folder(source: str) -> str:
    """Return the folder, or the hub id, that a model's name stands for."""
    if not source.startswith("zoo:"):
        return source
    from ...zoo.models import find

    return str(find(source).folder)


def _find_part(source: str, part: str) -> tuple[str, str]:
    """Return the folder or hub id, and the folder in it, that hold a part of a model."""
    if not source.startswith("zoo:"):
        return source, part
    from ...zoo.load import find_folder
    from ...zoo.models import find

    found = find_folder(find(source), part)
    return str(found.parent), found.name


def _make_part(source: str, folder: str, library: str, name: str) -> Any:
    """Make one component: a model without weights, or anything else as it is."""
    from importlib import import_module

    import torch

    try:
        cls = getattr(import_module(library), name)
    except ImportError:  # a class that is beside its pipeline
        cls = getattr(import_module(f"diffusers.pipelines.{library}"), name)
    if not issubclass(cls, torch.nn.Module):
        return cls.from_pretrained(source, subfolder=folder)
    with torch.device("meta"):
        if hasattr(cls, "load_config"):
            return cls.from_config(cls.load_config(source, subfolder=folder))
        return cls(cls.config_class.from_pretrained(source, subfolder=folder))

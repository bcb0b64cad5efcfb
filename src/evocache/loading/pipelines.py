"""Loading whatever a user may name as a model: a zoo name, a folder, a hub id."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelError, shorten
from ..zoo.load import silence_bars
from .dtypes import check_device, check_dtype, find_dtype

WEIGHTS = (".safetensors", ".bin", ".pt")

STEPS = 20
"""Denoising steps where a pipeline does not say how many it makes."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load_pipeline(model: str, *, device: str = "auto", dtype: str = "auto") -> Any:
    """Load a pipeline.

    Args:
        model: a zoo name (`zoo:emoji`), the folder of a diffusers pipeline, or a hub id (`owner/name`).
        device: where to put it; `auto` is the GPU if there is one.
        dtype: one of `DTYPES`; `auto` is bfloat16 on a GPU, float32 elsewhere.

    Raises:
        ModelError: if there is no such model here or, offline, in the cache; or it cannot be loaded.
        ZooError: if the zoo has no model of that name, or its weights are missing.
        InputError: if there is no such device or type.
    """
    found = locate(model)
    check_dtype(dtype)
    check_device(device)
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    wanted = find_dtype(dtype, device)
    from .. import zoo

    with nullcontext() if count_stored_bytes(found) is None else silence_bars():
        pipe: Any = zoo.load(found, dtype=wanted) if found.startswith("zoo:") else _load_pretrained(found, wanted)
        try:
            pipe.to(device)
        except (RuntimeError, AssertionError) as error:
            given = f"device {device!r} ({shorten(error)})"
            raise InputError(given, "a device of this machine", "try --device cpu") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe


def count_stored_bytes(model: str) -> int | None:
    """Count the bytes of a model's weights on this machine; None if it is only on the hub."""
    found = locate(model)
    if found.startswith("zoo:"):
        from ..zoo.models import find

        folder = find(found).folder
    elif _HUB_ID.fullmatch(found) and not Path(found).is_dir():
        from huggingface_hub.constants import HF_HUB_CACHE

        folder = Path(HF_HUB_CACHE) / f"models--{found.replace('/', '--')}"
        if not (folder / "snapshots").is_dir():
            return None
    else:
        folder = Path(found)
    files = (path for path in folder.rglob("*") if path.suffix in WEIGHTS)
    return sum(path.stat().st_size for path in files if path.is_file())


def choose_steps(pipe: Any, wanted: int | None = None) -> int:
    """Return the number of denoising steps that is wanted, or else the pipeline's own."""
    from ..runtime.program.step_arguments import usual_steps

    return wanted or usual_steps(type(pipe).__call__) or STEPS


def locate(model: str) -> str:
    """Find the full zoo name, the folder or the hub id that a name stands for.

    Raises:
        ModelError: if it is none of them.
        ZooError: if the zoo has no model of that name.
    """
    from .. import zoo

    if model.startswith("arch:"):
        mend = "name a pipeline; only inspect and schedule take architectures"
        raise ModelError(f"model {model!r}, which has no weights", "a model with weights", mend)
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise ModelError(
                f"folder {model!r} without a model_index.json",
                "the folder of a diffusers pipeline",
                "save one with pipe.save_pretrained(folder)",
            )
        return str(path)
    if path.is_file():
        mend = "load it with diffusers' from_single_file and save it with save_pretrained"
        raise ModelError(f"file {model!r}", "the folder of a diffusers pipeline", mend)
    if model.startswith("zoo:") or f"zoo:{model}" in zoo.names():
        return zoo.find(model).name
    if _HUB_ID.fullmatch(model):
        return model
    expected = f"a zoo name ({', '.join(zoo.names())}), an existing folder or a hub id like owner/name"
    raise ModelError(f"model {model!r}", expected, "check the spelling")


def _load_pretrained(source: str, dtype: Any) -> Any:
    from diffusers import DiffusionPipeline

    local = Path(source).is_dir()
    try:
        return DiffusionPipeline.from_pretrained(source, torch_dtype=dtype, local_files_only=local)
    except (OSError, ValueError, AttributeError, ImportError, RuntimeError) as error:
        raise describe_unloadable(source, error) from error


def describe_unloadable(source: str, error: Exception) -> ModelError:
    """Describe why a model cannot be loaded, by whichever library and for whatever reason."""
    if Path(source).is_dir():
        mend = "save the pipeline again with save_pretrained"
        return ModelError(f"folder {source!r} ({shorten(error)})", "a complete pipeline", mend)
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        expected = "a model in the local cache, since HF_HUB_OFFLINE is set"
        return ModelError(f"model {source!r}", expected, "unset HF_HUB_OFFLINE, or name the folder of a saved pipeline")
    expected = "a diffusers pipeline on the hub, or in the local cache"
    mend = "check the spelling and the connection; log in if the model is gated"
    return ModelError(f"model {source!r} ({shorten(error)})", expected, mend)

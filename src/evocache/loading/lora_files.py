"""LoRA files that are loaded into a pipeline as adapters, all of them off until a request names them."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelError, shorten
from ..extras import optional
from ..model.pipeline_components import list_components

SUFFIX = ".safetensors"

USUAL = f"pytorch_lora_weights{SUFFIX}"
"""The file that diffusers writes into a folder."""

KEPT = 16
"""Hexadecimal digits of a file's digest."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OF_LAYERS = "lora_"
"""What PEFT calls its layers' parts; it takes names that are part of this for them."""


@dataclass(frozen=True)
class LoadedLora:
    """A LoRA that is loaded.

    Attributes:
        fingerprint: digest of its file.
        bytes: of its weights in memory.
    """

    fingerprint: str
    bytes: int


def check_lora_name(name: str) -> None:
    """Refuse a name that an adapter cannot have.

    Raises:
        InputError: if it is one.
    """
    if not _NAME.fullmatch(name) or name in _OF_LAYERS:
        expected = f"letters, digits, - and _, and no part of {_OF_LAYERS!r}"
        raise InputError(f"a LoRA called {name!r}", expected, "give it another name")


def find_lora_file(name: str, path: str | Path) -> Path:
    """Return the file of a LoRA.

    Args:
        name: of the LoRA, for messages.
        path: the file, or a folder with one such file, or with diffusers' own.

    Raises:
        ModelError: if there is none, or there are several; if it is of another format.
    """
    place = Path(path)
    if place.is_dir():
        found = sorted(place.glob(f"*{SUFFIX}"))
        found = [each for each in found if each.name == USUAL] or found
        if len(found) != 1:
            given = f"folder {str(path)!r} of LoRA {name!r} with {len(found)} files {SUFFIX}"
            raise ModelError(given, "a folder with one", "name the file itself")
        return found[0]
    if not place.is_file():
        raise ModelError(f"LoRA {name!r} at {str(path)!r}", f"a file {SUFFIX}, or a folder with one", "check the path")
    if place.suffix != SUFFIX:
        given = f"LoRA {name!r} in the file {place.name!r}"
        raise ModelError(given, f"a file {SUFFIX}; other formats may hold code", "convert it with safetensors")
    return place


def load_loras(pipe: Any, files: Mapping[str, str | Path]) -> dict[str, LoadedLora]:
    """Load LoRAs into a pipeline by name; none of them acts afterwards.

    Args:
        pipe: the pipeline; text encoders are adapted as well, where diffusers does that.
        files: files, or folders, by name.

    Raises:
        InputError: if an adapter cannot have such a name.
        ModelError: if there is no such file, it is no safetensors file, or does not fit the pipeline.
        DependencyError: if PEFT is not installed.
    """
    found: dict[str, LoadedLora] = {}
    for name, path in files.items():
        check_lora_name(name)
        file = find_lora_file(name, path)
        optional("peft")
        _load(pipe, name, file)
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()[:KEPT]
        found[name] = LoadedLora(digest, _count_bytes(pipe, name))
        if not found[name].bytes:
            raise _misfit(pipe, name, "none of its weights belongs to a layer of the model")
    if found:
        pipe.disable_lora()
    return found


def _load(pipe: Any, name: str, file: Path) -> None:
    if not callable(getattr(pipe, "load_lora_weights", None)):
        raise _misfit(pipe, name, "diffusers loads no LoRAs into it")
    given: dict[str, Any] = {"weight_name": file.name, "adapter_name": name, "use_safetensors": True}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # of the LoRA before
        try:
            pipe.load_lora_weights(str(file.parent), local_files_only=True, **given)
        except Exception as error:
            cause = error if error.__context__ is None else error.__context__
            raise _misfit(pipe, name, shorten(cause)) from error


def _misfit(pipe: Any, name: str, why: str) -> ModelError:
    expected = f"one that was trained for a {type(pipe).__name__} of these sizes"
    return ModelError(f"LoRA {name!r} ({why})", expected, "leave it out, or register it for its own model")


def _count_bytes(pipe: Any, name: str) -> int:
    """Bytes of the weights of an adapter."""
    modules = (part for part in list_components(pipe).values() if callable(getattr(part, "named_parameters", None)))
    weights = {id(w): w for part in modules for path, w in part.named_parameters() if _is_of(path, name)}
    return sum(w.nbytes for w in weights.values())


def _is_of(path: str, name: str) -> bool:
    kind, _, rest = path.partition(f".{_OF_LAYERS}")[2].partition(".")
    return bool(kind) and rest.partition(".")[0] == name

"""Models, fronts and LoRAs as servers are told them: `NAME=MODEL`, `NAME=RUN`, `MODEL:LORA=PATH`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InputError
from ...loading.pipelines import locate
from .model_loading import MODELS

if TYPE_CHECKING:
    from ...serve.workers.worker import LoraSource

Models = Annotated[
    list[str] | None, typer.Option("--model", "-m", help=f"{MODELS} Several; NAME=MODEL has requests call it NAME.")
]
Fronts = Annotated[
    list[str] | None,
    typer.Option(
        help="Folder of a run, or file of a front; NAME=RUN where there are several models, MODEL:LORA=RUN with a LoRA."
    ),
]
Loras = Annotated[
    list[str] | None,
    typer.Option("--lora", help="MODEL:NAME=PATH of a LoRA that requests may name; NAME@0.8 has that weight usually."),
]

USUAL = ("zoo:emoji",)
"""What is served if nothing is named."""


def read_models(given: Sequence[str] | None) -> dict[str, str]:
    """Return models by the names that requests call them.

    Args:
        given: each a model, or `NAME=MODEL`; `USUAL` if there is none.
    """
    return {name: locate(source) for name, source in map(_split, given or USUAL)}


def read_fronts(
    given: Sequence[str] | None, models: Sequence[str], loras: Mapping[str, Mapping[str, LoraSource]] | None = None
) -> dict[str, str]:
    """Return folders of runs, or files of fronts, by the names of models.

    Args:
        given: each `NAME=RUN`, or a run where there is one model.
        models: names that requests call them.
        loras: of these.

    Raises:
        InputError: if it is not said, or wrong, which model, or which LoRA, one is for.
    """
    known = [*models, *(f"{model}:{name}" for model, own in (loras or {}).items() for name in own)]
    fronts = {}
    for text in given or ():
        name, found, run = text.partition("=")
        if not found and len(models) > 1:
            raise InputError(f"--front {text}", "NAME=RUN, as there are several models", f"say {models[0]}={text}")
        name, run = (name, run) if found else (models[0], text)
        if name not in known and len(models) == 1 and f"{models[0]}:{name}" in known:
            name = f"{models[0]}:{name}"
        if name not in known:
            raise InputError(f"a front for {name!r}", f"one for {', '.join(known)}", "name one of them")
        fronts[name] = run
    return fronts


def read_loras(given: Sequence[str] | None, models: Sequence[str]) -> dict[str, dict[str, LoraSource]]:
    """Return LoRAs by the names of models, and their own.

    Args:
        given: each `MODEL:NAME=PATH`, or `NAME=PATH` where there is one model; `NAME@WEIGHT` says its usual weight.
        models: names that requests call them.

    Raises:
        InputError: if one has no path, a name that there is already, or no weight; if it is not said, or wrong, which
            model it is for.
    """
    from ...serve.workers.worker import LoraSource

    loras: dict[str, dict[str, LoraSource]] = {}
    for text in given or ():
        left, found, path = text.partition("=")
        model, named, whole = left.rpartition(":")
        if not named and len(models) == 1:
            model = models[0]
        name, weighed, weight = whole.partition("@")
        if not (found and path and name and model):
            raise InputError(f"--lora {text}", "MODEL:NAME=PATH", f"say {models[0]}:ink=ink.safetensors")
        if model not in models:
            raise InputError(f"a LoRA for {model!r}", f"one for {', '.join(models)}", "name one of them")
        if name in loras.setdefault(model, {}):
            raise InputError(f"two LoRAs called {name!r} for {model}", "one of each name", "call one of them otherwise")
        loras[model][name] = LoraSource(path, _weight(text, weight) if weighed else 1.0)
    return loras


def _weight(text: str, weight: str) -> float:
    try:
        found = float(weight)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"--lora {text}", "a number as its weight", "try 0.8")
    return found


def _split(text: str) -> tuple[str, str]:
    """The name that requests call a model, and the model."""
    name, found, source = text.partition("=")
    return (name, source) if found else (text, text)

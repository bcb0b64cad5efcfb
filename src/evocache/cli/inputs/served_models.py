"""Models and fronts as servers are told them: `NAME=MODEL`, `NAME=RUN`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ...errors import InputError
from ...loading.pipelines import locate
from .model_loading import MODELS

Models = Annotated[
    list[str] | None, typer.Option("--model", "-m", help=f"{MODELS} Several; NAME=MODEL has requests call it NAME.")
]
Fronts = Annotated[
    list[str] | None,
    typer.Option(help="Folder of a run, or file of a front; NAME=RUN where there are several models."),
]

USUAL = ("zoo:emoji",)
"""What is served if nothing is named."""


def read_models(given: Sequence[str] | None) -> dict[str, str]:
    """Return models by the names that requests call them.

    Args:
        given: each a model, or `NAME=MODEL`; `USUAL` if there is none.
    """
    return {name: locate(source) for name, source in map(_split, given or USUAL)}


def read_fronts(given: Sequence[str] | None, models: Sequence[str]) -> dict[str, str]:
    """Return folders of runs, or files of fronts, by the names of models.

    Args:
        given: each `NAME=RUN`, or a run where there is one model.
        models: names that requests call them.

    Raises:
        InputError: if it is not said, or wrong, which model one is for.
    """
    fronts = {}
    for text in given or ():
        name, found, run = text.partition("=")
        if not found and len(models) > 1:
            raise InputError(f"--front {text}", "NAME=RUN, as there are several models", f"say {models[0]}={text}")
        name, run = (name, run) if found else (models[0], text)
        if name not in models:
            raise InputError(f"a front for {name!r}", f"one for {', '.join(models)}", "name one of them")
        fronts[name] = run
    return fronts


def _split(text: str) -> tuple[str, str]:
    """The name that requests call a model, and the model."""
    name, found, source = text.partition("=")
    return (name, source) if found else (text, text)

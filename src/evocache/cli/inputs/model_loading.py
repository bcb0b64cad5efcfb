"""What a person sees while a model is loaded."""

from __future__ import annotations

import sys

from ...loading.pipelines import count_stored_bytes
from ..ui.waits import Waits

IMPORT_SECONDS = 6.0
"""What importing torch and diffusers takes, about."""

RATE = 300e6
"""Bytes of weights that are loaded in a second, about."""

MODELS = "Zoo name, folder of a diffusers pipeline, or hub id."


def await_loading(wait: Waits, model: str) -> None:
    """Show that a model is loaded; one that is not on this machine is fetched, which has bars of its own."""
    size = count_stored_bytes(model)
    if size is None:
        wait.console.print(f"loading {model} from the hub", markup=False)
    else:
        wait.predict(f"loading {model}", predict_import() + size / RATE)


def predict_import() -> float:
    """Predict how long torch and diffusers take to be imported, if they are not yet."""
    return 0.0 if "diffusers" in sys.modules else IMPORT_SECONDS

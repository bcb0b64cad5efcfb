"""The component tree of a model, from as little of the model as tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...errors import ModelError
from ...loading.pipelines import choose_steps, load_pipeline, locate
from ..ui.waits import Waits
from .architecture_names import find_architecture, is_architecture
from .model_loading import await_loading, predict_import
from .weightless import load_weightless

if TYPE_CHECKING:
    from ...schedule import Tree


def load_tree(model: str) -> tuple[Tree, Mapping[str, str], int]:
    """Return the component tree of a model, the classes of its denoisers, and its usual number of steps.

    No weights are loaded, as long as all parts can be made from their configs.

    Raises:
        Error: as `load_pipeline`, and if it has no denoiser.
    """
    if is_architecture(model):
        architecture = find_architecture(model)
        bare = architecture.model()
        return bare.tree, bare.classes, architecture.steps
    known = _read_known_tree(locate(model))
    if known is not None:
        return known
    with Waits() as wait:
        wait.predict(f"reading the configs of {model}", predict_import() + 1)
        try:
            pipe = load_weightless(model)
        except ModelError:  # it may have a part that is not made from a config alone
            await_loading(wait, model)
            pipe = load_pipeline(model, device="cpu")
        from ...model import discover

        found = discover(pipe)
    return found.tree, found.classes, choose_steps(pipe)


def _read_known_tree(name: str) -> tuple[Tree, Mapping[str, str], int] | None:
    """Read the same of an embedded model from the front that lies beside it; no model is loaded."""
    from ...schedule.front import Front
    from ...zoo.models import find

    if not name.startswith("zoo:") or not find(name).front.is_file():
        return None
    model = find(name)
    tree = Front.load(model.front)[0].schedule.tree
    index = json.loads((model.folder / "model_index.json").read_text(encoding="utf-8"))
    classes = {c.id: str(index[c.id][1]) for c in tree.of_kind("denoiser")}
    return tree, classes, int(model.call_defaults["num_inference_steps"])

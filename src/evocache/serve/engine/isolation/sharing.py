"""What requests of an engine change in the modules that its pipelines share, from the first hand-over to the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import nn

from ....errors import PipelineError, nearest
from ....loading.loras import Loras
from ....model.pipeline_components import list_modules
from ..adapters.switch import Adapters, names_of
from .own_pipeline import own_pipeline
from .shared_changes import SharedState


class Sharing:
    """The shared modules of pipelines.

    Args:
        pipelines: by name.
        adapters: on their components.
        changed: called where a pipeline may be another than it was: what is kept of its modules is stale.

    Attributes:
        pipelines: by name.

    Raises:
        PipelineError: if there is one whose components its user has offloaded.
    """

    def __init__(
        self, pipelines: Mapping[str, Any], adapters: Adapters, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.pipelines, self._adapters, self._changed = pipelines, adapters, changed
        self._states: dict[str, SharedState] = {}
        for name, pipe in pipelines.items():
            _refuse_offloading(name, pipe)

    def open(self, name: str, others: bool) -> bool:
        """Note that a request begins; return whether its pipeline may be another since the one before, or the engine.

        Args:
            name: of its pipeline.
            others: whether requests of the pipeline run. If none does, the pipeline may be another than it was: its
                user may have loaded an adapter.

        Raises:
            PipelineError: if its user has offloaded its components.
        """
        state, pipe = self._states.get(name), self.pipelines[name]
        if state is None:
            _refuse_offloading(name, pipe)
            self._states[name] = SharedState(pipe, self._adapters)
            self._changed()
            return True
        if not others and (state.exchanged or state.left_changed):
            _refuse_offloading(name, pipe)
            state.refresh()
            self._changed()
            return True
        return False

    def is_as_it_was(self, name: str, part: nn.Module) -> bool:
        """Return whether a component of a pipeline is what it was before its requests, by a thorough look at it."""
        return self._states[name].is_as_it_was(part)

    def check(self, name: str, loras: Loras | None) -> None:
        """Refuse LoRAs that are not loaded into a pipeline.

        Raises:
            PipelineError: if there is one.
        """
        known = names_of(self._states[name].adapters.values())
        for each, _ in loras or ():
            if each not in known:
                close = nearest(each, known)
                expected = f"one of {', '.join(known)}" if known else "none: none is loaded into its pipeline"
                raise PipelineError(f"LoRA {each!r}", expected, f"try {close!r}" if close else "load it first")

    def enter(self, name: str, loras: Loras | None) -> None:
        """Have some LoRAs act on a pipeline's components, and no others; None for those that its user has set."""
        self._adapters.enter(self._states[name].adapters.values(), loras)

    def own_pipeline(self, pipe: Any, loras: Loras | None) -> Any:
        """Return a copy of a pipeline, on whose components some LoRAs act until others do."""
        self._adapters.enter([self._adapters.find(part) for part in list_modules(pipe).values()], loras)
        return own_pipeline(pipe)

    def leave(self) -> None:
        """Have those LoRAs act that users have set."""
        self._adapters.leave()

    def acting_on(self, component: object, loras: Loras | None) -> object:
        """Return what of some LoRAs acts in a call of a component."""
        return self._adapters.acting_on(component, loras)

    def changed(self, name: str) -> bool:
        """Return whether a pipeline's modules are not what they were before its requests."""
        return self._states[name].changed

    def give_back(self, name: str) -> tuple[list[str], Collection[str]]:
        """Have a pipeline's modules be what they were.

        Returns:
            Paths of what could not be given back, and the names of the pipelines that this concerns.
        """
        state = self._states[name]
        if not state.left_changed:
            return [], ()
        left = state.restore()
        if not left:
            return [], ()
        concerned = [other for other, each in self._states.items() if each.has_differences()]
        for other in concerned:
            self._states[other].refresh()
        self._changed()
        return left, concerned


def _refuse_offloading(name: str, pipe: Any) -> None:
    parts = list_modules(pipe).values()
    hooks = [getattr(module, "_hf_hook", None) for part in parts for module in part.modules()]
    if any(type(hook).__name__ == "CpuOffload" or getattr(hook, "offload", None) is True for hook in hooks):
        raise PipelineError(
            f"pipeline {name!r} whose components are offloaded",
            "one whose components stay on their device",
            "call pipe.remove_all_hooks() and pipe.to(its device), and give the engine memory= instead",
        )

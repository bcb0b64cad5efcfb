"""The adapters of all components of an engine: one request's act at a time."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence

from torch import nn

from ....loading.loras import Loras
from ..figures import Figures
from .layers import AdapterLayers


class Adapters:
    """Keeps one object for the adapter layers of each component, whichever pipelines share it.

    Args:
        figures: switches are counted there.
    """

    def __init__(self, figures: Figures | None = None) -> None:
        self._figures = figures or Figures()
        self._known: weakref.WeakKeyDictionary[nn.Module, AdapterLayers] = weakref.WeakKeyDictionary()

    def find(self, component: nn.Module) -> AdapterLayers:
        """Return the adapter layers of a component as it is; what acts in new ones is what its user has set."""
        known = self._known.get(component)
        if known is None or not known.holds(component):
            known = self._known[component] = AdapterLayers(component)
        return known

    def enter(self, components: Iterable[AdapterLayers], loras: Loras | None) -> None:
        """Have some LoRAs act on components, and no others; None for what their user has set."""
        if sum([each.enter(loras) for each in components]):
            self._figures.switches += 1

    def leave(self) -> None:
        """Have those act everywhere that users have set, but where a request has changed what acts."""
        for each in list(self._known.values()):
            if each.active is not None and not each.changed:
                each.enter(None)

    def acting_on(self, component: object, loras: Loras | None) -> object:
        """Return what of some LoRAs acts in a call of a component: all, if it is none that is known."""
        known = self._known.get(component) if isinstance(component, nn.Module) else None
        return loras if known is None else known.choose(loras)


def names_of(components: Iterable[AdapterLayers]) -> Sequence[str]:
    """Return the names of the adapters that are loaded on some components, sorted."""
    return sorted(frozenset[str]().union(*(each.names for each in components)))

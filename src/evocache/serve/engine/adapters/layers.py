"""The layers of a component that adapters stand on, and which of these act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from torch import nn

from ....loading.loras import Loras
from ....runtime.lru import LRU

STATE = ("_active_adapter", "_disable_adapters", "scaling")
"""Attributes of a layer of PEFT that say which adapters act, and how much."""

SETS = 32
"""How many sets of LoRAs are remembered, by component."""

State = tuple[Any, ...]
_state = itemgetter(*STATE)


def is_adapter_layer(thing: Any) -> bool:
    """Return whether a thing is a layer that adapters of PEFT stand on."""
    own = getattr(thing, "__dict__", {})
    return isinstance(own.get("scaling"), dict) and STATE[0] in own and STATE[1] in own and hasattr(thing, "set_scale")


class AdapterLayers:
    """Has the adapters of a component act that a request names.

    What acts when this is made is what the component's user has set.

    Args:
        component: a denoiser, a text encoder, or any other module.

    Attributes:
        names: of all adapters that are loaded.
        active: those that act; None for those that the component's user has set.
    """

    def __init__(self, component: nn.Module) -> None:
        found = {path: module for path, module in component.named_modules() if is_adapter_layer(module)}
        self._paths, self._layers = list(found), list(found.values())
        self._held = [vars(layer) for layer in self._layers]
        self.names = frozenset(name for own in self._held for name in own["scaling"])
        self.active: Loras | None = None
        self._found: Sequence[State] = [_copy(_state(own)) for own in self._held]
        self._expected: Sequence[State] = self._found
        self._known: LRU[Loras, Sequence[State]] = LRU(SETS)

    @property
    def changed(self) -> bool:
        """Whether others act than should."""
        return list(map(_state, self._held)) != self._expected if self._held else False

    def holds(self, component: nn.Module) -> bool:
        """Return whether a component has these layers, and what acts in them is what should."""
        layers = [module for module in component.modules() if is_adapter_layer(module)]
        same = len(layers) == len(self._layers) and all(map(_is, layers, self._layers))
        return same and not self.changed

    def choose(self, loras: Loras | None) -> Loras | None:
        """Return those of some LoRAs that stand on the component; None for what its user has set, or if none do."""
        if loras is None or not self.names:
            return None
        return tuple(each for each in loras if each[0] in self.names)

    def enter(self, loras: Loras | None) -> bool:
        """Have some LoRAs act, and no others; return whether that changed anything.

        Args:
            loras: names and weights, also of adapters that stand elsewhere; None for what the component's user has set.
        """
        if not self._held:
            return False
        chosen = self.choose(loras)
        if chosen == self.active:
            return False
        self.active, before = chosen, self._expected
        self._expected = self._found if chosen is None else self._known.get(chosen) or self._states(chosen)
        if self._expected == before:
            return False
        self.restore()
        return True

    def restore(self) -> None:
        """Have those act that should."""
        for own, (active, off, scaling) in zip(self._held, self._expected, strict=True):
            own["_active_adapter"], own["_disable_adapters"] = _own(active), off
            if own["scaling"] != scaling:
                own["scaling"].clear()
                own["scaling"].update(scaling)

    def differences(self) -> Iterator[str]:
        """Yield paths of what is not what it should be, within the component."""
        for path, own, expected in zip(self._paths, self._held, self._expected, strict=True):
            yield from (f"{path}.{key}" for key, was in zip(STATE, expected, strict=True) if own.get(key) != was)

    def _states(self, loras: Loras) -> Sequence[State]:
        """What the layers hold while some LoRAs act: scaled by PEFT's own rule."""
        found = list(zip(self._layers, self._found, strict=True))
        if loras:
            made = [self._scaled(layer, scaling, loras) for layer, (*_, scaling) in found]
        else:
            made = [(active, True, scaling) for _, (active, _, scaling) in found]
        self._known[loras] = made
        return made

    def _scaled(self, layer: Any, scaling: dict[str, float], loras: Loras) -> State:
        own = vars(layer)
        live, own["scaling"] = own["scaling"], dict(scaling)
        try:
            for name, weight in loras:
                layer.set_scale(name, weight)
            return [name for name, _ in loras], False, own["scaling"]
        finally:
            own["scaling"] = live


def _is(one: object, other: object) -> bool:
    return one is other


def _copy(state: State) -> State:
    active, off, scaling = state
    return _own(active), off, dict(scaling)


def _own(active: Any) -> Any:
    return list(active) if isinstance(active, list) else active

"""Layers say what PEFT would have them say, whichever set comes after which."""

from __future__ import annotations

import itertools
from typing import Any

import peft
import pytest
from torch import nn

from evocache.loading.loras import order_loras
from evocache.serve.engine.adapters.layers import STATE, AdapterLayers
from evocache.serve.engine.adapters.switch import Adapters
from evocache.serve.engine.figures import Figures

SETS: list[Any] = [None, {}, {"ink": 0.8}, {"clay": 0.3}, {"ink": 0.8, "clay": -1.0}, {"ink": 0.2}, {"elsewhere": 1.0}]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)


def adapted() -> Any:
    """One adapter on two layers, another on one of these by another rule of scaling."""
    net = Net()
    peft.inject_adapter_in_model(peft.LoraConfig(r=2, lora_alpha=3, target_modules=["a", "b"]), net, "ink")
    rule: dict[str, Any] = {"r": 4, "lora_alpha": 5, "use_rslora": True}
    peft.inject_adapter_in_model(peft.LoraConfig(target_modules=["b"], **rule), net, "clay")
    return net


def state(net: Any) -> list[Any]:
    found = [tuple(vars(layer)[key] for key in STATE) for layer in (net.a, net.b)]
    return [(list(active) if isinstance(active, list) else active, off, dict(scales)) for active, off, scales in found]


def expected(loras: dict[str, float] | None) -> list[tuple[object, ...]]:
    """Scales of the adapters that act, layer by layer, as PEFT sets them."""
    net = adapted()
    names = [name for name in sorted(loras or {}) if name != "elsewhere"]
    for layer in (net.a, net.b):
        layer.enable_adapters(bool(names) or loras is None)
        if names:
            layer.set_adapter(names)
            for name in names:
                layer.set_scale(name, (loras or {})[name])
    return acting(net)


def acting(net: Any) -> list[tuple[object, ...]]:
    return [
        ()
        if layer.disable_adapters
        else tuple((n, layer.scaling[n]) for n in layer.active_adapters if n in layer.scaling)
        for layer in (net.a, net.b)
    ]


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_each_set_after_each_other() -> None:
    net = adapted()
    layers, found = AdapterLayers(net), state(net)
    for one, other in itertools.permutations(SETS, 2):
        for loras in (one, other):
            layers.enter(None if loras is None else order_loras(loras))
            assert acting(net) == expected(loras)
            assert not layers.changed
            assert not layers.enter(None if loras is None else order_loras(loras))
    layers.enter(None)
    assert state(net) == found


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_what_others_set_is_seen_and_given_back() -> None:
    net = adapted()
    layers = AdapterLayers(net)
    layers.enter((("ink", 0.5),))
    wanted = state(net)
    net.b.set_scale("ink", 2.0)
    net.a.enable_adapters(False)
    assert layers.changed
    assert set(layers.differences()) >= {"a._disable_adapters", "b.scaling"}
    layers.restore()
    assert state(net) == wanted
    assert not layers.changed


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_components_are_shared_and_switches_counted() -> None:
    figures, net, plain = Figures(), adapted(), Net()
    adapters = Adapters(figures)
    one, bare = adapters.find(net), adapters.find(plain)
    assert adapters.find(net) is one
    ink = order_loras(["ink"])
    for _ in range(3):
        adapters.enter([one, bare], ink)
    assert figures.switches == 1
    assert adapters.acting_on(net, order_loras(["ink", "clay", "elsewhere"])) == (("clay", 1.0), ("ink", 1.0))
    assert adapters.acting_on(plain, ink) == adapters.acting_on(plain, ()) == adapters.acting_on(plain, None)
    assert adapters.acting_on(nn.Linear(1, 1), ink) == ink
    net.a.set_scale("ink", 7.0)
    adapters.leave()  # not over what somebody else has changed
    assert net.a.scaling["ink"] == 7.0 * 3 / 2
    other = adapters.find(net)  # which is now how it is
    assert other is not one
    assert other.active is None

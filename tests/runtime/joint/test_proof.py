"""Kinds of calls are computed together only where a row does not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn

from evocache.runtime.attach.interception import attach, detach, intercept_part
from evocache.runtime.joint.arguments import kind_of
from evocache.runtime.joint.flat import flat
from evocache.runtime.joint.joint_call import compute_together, may_meet, unseen
from evocache.runtime.joint.lane import Lane
from evocache.runtime.joint.proof import Proven, prove
from evocache.runtime.ops.recompute import Apart


class Model(nn.Module):
    """Two layers, and something between them."""

    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor] = torch.relu) -> None:
        super().__init__()
        self.first, self.second, self.between = nn.Linear(4, 4), nn.Linear(4, 4), between

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor]:
        found: torch.Tensor = self.second(self.between(self.first(x))) * scale.reshape(-1, 1)
        return (found,)


def call(module: Any, *args: Any, **kwargs: Any) -> Any:
    return module.forward(*args, **kwargs)


def lanes_of(model: nn.Module, *rows: int) -> list[Lane]:
    return [Lane(model, call, (torch.rand(n, 4),), {"scale": torch.tensor(1.0 + n)}) for n in rows]


def proven_of(model: Model, lanes: list[Lane]) -> Proven | str:
    modules = [model.first, model.second]
    for module in modules:
        attach(module, intercept_part)
    try:
        with torch.no_grad():
            return prove(lanes, [flat(lane) for lane in lanes], [id(module) for module in modules])
    finally:
        for module in modules:
            detach(module)


def test_rows_apart_are_proved_and_computed_together() -> None:
    torch.manual_seed(0)
    model = Model()
    lanes = lanes_of(model, 1, 3)
    proven = proven_of(model, lanes)
    assert isinstance(proven, Proven)
    assert all(rows is not None for rows in proven.modules.values())
    with torch.no_grad():
        found = compute_together(lanes, [flat(lane) for lane in lanes], proven)
        expected = [lane.compute() for lane in lanes]
    assert all(torch.allclose(one[0], other[0]) for one, other in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    "between",
    [lambda x: x - x.mean(0, keepdim=True), lambda x: x.flip(0), lambda x: x * x.shape[0]],
    ids=["mean", "order", "size"],
)
def test_rows_that_depend_on_others_are_found(between: Callable[[torch.Tensor], torch.Tensor]) -> None:
    torch.manual_seed(0)
    model = Model(between)
    found = proven_of(model, lanes_of(model, 1, 2))
    assert isinstance(found, str)
    assert "depends" in found


def test_a_module_that_mixes_rows_inside_has_to_be_alone() -> None:
    """What comes out may have rows although a module in between is given them in another order."""

    class Turned(Model):
        def forward(self, x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor]:
            found: torch.Tensor = self.second(self.first(x).flip(0)).flip(0) * scale.reshape(-1, 1)
            return (found,)

    torch.manual_seed(0)
    model = Turned()
    lanes = lanes_of(model, 1, 2)
    proven = proven_of(model, lanes)
    assert isinstance(proven, Proven)
    assert proven.modules[id(model.first)] is not None
    assert proven.modules[id(model.second)] is None
    lanes[0].table = {id(model.second): lambda *_: None}
    assert not may_meet(lanes[0], proven)
    assert may_meet(lanes[1], proven)
    assert unseen([Lane(model, call, (), {}, {1: lambda *_: None}, "x", 1)], proven) == [1]


def test_a_joint_call_that_fails_is_no_proof() -> None:
    def fails(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 2:
            raise ValueError("two at most")
        return x

    model = Model(fails)
    found = proven_of(model, lanes_of(model, 1, 2))
    assert isinstance(found, str)
    assert "two at most" in found


def test_what_is_compiled_is_proved_with_the_rows_that_it_will_have() -> None:
    """Three rows are four where graphs are compiled: what fails of four is no kind to be computed together."""

    def fails(x: torch.Tensor) -> torch.Tensor:
        if len(x) == 4:
            raise ValueError("not four")
        return x

    model = Model(fails)
    lanes = lanes_of(model, 1, 2)
    assert isinstance(proven_of(model, lanes), Proven)
    for lane in lanes:
        lane.regions = cast(Any, object())
    found = proven_of(model, lanes)
    assert isinstance(found, str)
    assert "not four" in found


def test_lanes_that_do_not_fit_after_all_are_made_anew() -> None:
    model = Model()
    lanes = lanes_of(model, 1, 2)
    proven = proven_of(model, lanes)
    assert isinstance(proven, Proven)
    other = [Lane(model, call, (torch.rand(n, 4),), {"scale": torch.rand(n, 2)}) for n in (1, 2)]
    with pytest.raises(Apart):
        compute_together(other, [flat(lane) for lane in other], proven)


@pytest.mark.parametrize("draws", [False, True])
def test_generators_are_in_nobodys_way_unless_they_are_drawn_from(draws: bool) -> None:
    """Pipelines hand them to decoders, most of which do not look at them."""

    class Drawing(Model):
        def forward(self, x: torch.Tensor, scale: torch.Tensor, generator: Any = None) -> tuple[torch.Tensor]:
            noise = torch.rand(x.shape, generator=generator) if draws else torch.zeros(())
            return super().forward(x + noise, scale)

    model = Drawing()
    lanes = lanes_of(model, 1, 3)
    for seed, lane in enumerate(lanes):
        lane.kwargs["generator"] = torch.Generator().manual_seed(seed)
    assert kind_of(lanes[0], flat(lanes[0])) == kind_of(lanes[1], flat(lanes[1]))
    states = [lane.kwargs["generator"].get_state() for lane in lanes]
    proven = proven_of(model, lanes)
    assert isinstance(proven, Proven) is not draws
    assert all(lane.kwargs["generator"].get_state().equal(state) for lane, state in zip(lanes, states, strict=True))

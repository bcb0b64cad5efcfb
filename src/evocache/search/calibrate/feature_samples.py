"""Sketches: small samples of every component's feature at every step, taken while a pipeline generates uncached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...model import Denoiser, Model
from ...model.outputs import list_tensors
from ...model.unet import Deep
from ...runtime.attach.call_scope import owner
from ...runtime.generation import Generation
from ...runtime.ops.streams import arguments, flow
from ...schedule import Component, deep_depth, span_range

CONTAINER, LEAF = 4096, 1024
"""Elements of a feature, chosen at random once, that stand for it: relative distances within 2 and 4 %."""

Sample = npt.NDArray[np.float32]
Call = tuple[tuple[Any, ...], dict[str, Any]]


class Sketches:
    """What is noted of a generation.

    Attributes:
        rows: by component, then pass, then step: samples of its feature, one for each call.
        calls: arguments of the first call of each denoiser, by name.
        called: by denoiser, then pass, then step: how often it was called.
        totals: steps that the scheduler counted, by pass.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, dict[int, list[Sample]]]] = {}
        self.calls: dict[str, Call] = {}
        self.called: dict[str, dict[int, dict[int, int]]] = {}
        self.totals: dict[int, int] = {}
        self._places: dict[tuple[int, int, torch.device], torch.Tensor] = {}
        self._leaving: dict[str, torch.Tensor] = {}

    @contextmanager
    def recording(self, model: Model) -> Iterator[None]:
        """Sketch a generation under `apply` within the context."""
        hooks: list[Any] = []
        try:
            for denoiser in model.denoisers:
                hooks.append(denoiser.module.register_forward_pre_hook(self._called(denoiser), with_kwargs=True))
                for component in denoiser.components:
                    hooks += self._watch(denoiser, component)
                hooks.append(denoiser.module.register_forward_hook(self._returned))
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def of(self, id: str) -> tuple[dict[int, list[Sample]], int]:
        """Return a component's samples by step, from the pass in which it ran most often, and its steps."""
        passes = self.rows.get(id, {})
        if not passes:
            return {}, 0
        number = max(passes, key=lambda p: len(passes[p]))
        return passes[number], self.totals[number]

    def _called(self, denoiser: Denoiser) -> Any:
        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.calls.setdefault(denoiser.name, (args, kwargs))
            clock = owner(Generation).clock
            self.totals[clock.passes] = clock.total
            steps = self.called.setdefault(denoiser.name, {}).setdefault(clock.passes, {})
            steps[clock.step] = steps.get(clock.step, 0) + 1

        return before

    def _returned(self, module: nn.Module, args: Any, output: Any) -> None:
        """A denoiser's call is over: what left its deep parts last is their feature."""
        for id, tensor in self._leaving.items():
            self._note(id, self._pick(tensor, CONTAINER))
        self._leaving.clear()

    def _watch(self, denoiser: Denoiser, component: Component) -> list[Any]:
        if component.kind == "deep":
            assert denoiser.unet is not None
            return self._watch_deep(component.id, denoiser.unet.deeps[deep_depth(component.id)])
        if component.kind == "span":
            first, last = span_range(component.id)
            return self._watch_stream(component.id, denoiser.blocks[first], denoiser.blocks[last - 1])
        module = denoiser.modules[component.id]
        if component.kind == "block":
            return self._watch_stream(component.id, module, module)
        count = LEAF if component.is_leaf else CONTAINER

        def after(module: nn.Module, args: Any, output: Any) -> None:
            found = list_tensors(output)
            if found:
                self._note(component.id, self._pick(_largest(found), count))

        return [module.register_forward_hook(after)]

    def _watch_deep(self, id: str, deep: Deep) -> list[Any]:
        def after(module: nn.Module, args: Any, output: Any) -> None:
            found = list_tensors(output)
            if found:
                self._leaving[id] = _largest(found).detach()

        return [module.register_forward_hook(after) for module in deep.exits]

    def _watch_stream(self, id: str, first: nn.Module, last: nn.Module) -> list[Any]:
        """Note stream out - stream in of a run of blocks: what is cached of it; its output where none goes through."""
        entered: dict[str, Any] = {}

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            entered.clear()
            entered.update(arguments(module, args, kwargs))

        def after(module: nn.Module, args: Any, output: Any) -> None:
            streams = flow(entered, output, (), None).streams
            leaves = torch.utils._pytree.tree_leaves(output)
            if streams:
                name, leaf = max(streams, key=lambda s: int(entered[s[0]].numel()))
                self._note(id, self._pick(leaves[leaf], CONTAINER) - self._pick(entered[name], CONTAINER))
            elif list_tensors(output):
                self._note(id, self._pick(_largest(list_tensors(output)), CONTAINER))
            entered.clear()

        return [first.register_forward_pre_hook(before, with_kwargs=True), last.register_forward_hook(after)]

    def _note(self, id: str, sample: Sample) -> None:
        clock = owner(Generation).clock
        self.rows.setdefault(id, {}).setdefault(clock.passes, {}).setdefault(clock.step, []).append(sample)

    def _pick(self, tensor: torch.Tensor, count: int) -> Sample:
        """The same random elements of every tensor of a size."""
        key = (tensor.numel(), count, tensor.device)
        if key not in self._places:
            generator = torch.Generator().manual_seed(0)
            places = torch.randint(tensor.numel(), (min(count, tensor.numel()),), generator=generator)
            self._places[key] = places.to(tensor.device)
        picked: Sample = tensor.detach().reshape(-1)[self._places[key]].float().cpu().numpy()
        return picked


def _largest(found: list[torch.Tensor]) -> torch.Tensor:
    return max(found, key=lambda tensor: tensor.numel())

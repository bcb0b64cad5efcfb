"""Calibration: what components cost and how their features drift between steps, from one uncached generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..model import Denoiser, Probe, discover, probe
from ..model.outputs import tensors
from ..policies.steps import outermost
from ..runtime.stream import arguments, flow
from ..schedule import Component, span_range
from .cost import Costs
from .evaluate import LocalEvaluator

SKETCH = 4096
"""Elements of a feature, chosen at random once, that stand for it: enough for relative distances within 2 %."""


@dataclass(frozen=True)
class Calibration:
    """What was learned of a pipeline on a workload.

    Attributes:
        costs: of its components.
        sketches: by component id, (steps, elements) samples of the feature that is cached.
    """

    costs: Costs
    sketches: dict[str, npt.NDArray[np.float32]]

    def drift(self) -> dict[str, npt.NDArray[np.float64]]:
        """By component id, (steps, steps) relative squared distances: row, the step computed; column, the step used."""
        return {id: _distances(sketch.astype(np.float64)) for id, sketch in self.sketches.items()}


def _distances(sketch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    squares = np.square(sketch).sum(axis=1)
    products = sketch @ sketch.T
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)
    relative: npt.NDArray[np.float64] = distances / np.maximum(squares[None, :], 1e-30)
    return relative


def calibrate(evaluator: LocalEvaluator, prompts: list[int], *, repeats: int = 3) -> Calibration:
    """Calibrate on some prompts of the evaluator's workload (one batch): one generation and a few forwards."""
    pipe = evaluator.pipe
    model = discover(pipe)
    sketches: dict[str, list[npt.NDArray[np.float32]]] = {}
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    spent: dict[str, list[float]] = {}
    with _watching(model.denoisers, outermost(model.tree), sketches, calls, spent):
        began = perf_counter()
        evaluator.uncached(prompts)
        whole = perf_counter() - began
    measures = {}
    for denoiser in model.denoisers:
        if denoiser.name in calls:
            args, kwargs = calls[denoiser.name]
            measures.update(probe(denoiser, args, kwargs, repeats=repeats))
    found = Probe(model, measures)
    costs = Costs(
        seconds=found.exclusive("seconds"),
        flops=found.exclusive("flops"),
        sizes=found.sizes(),
        calls=evaluator.calls,
        fixed=max(0.0, whole - sum(sum(times) for times in spent.values())),
    )
    return Calibration(costs, {id: _by_step(rows, evaluator.steps) for id, rows in sketches.items() if rows})


def _by_step(rows: list[npt.NDArray[np.float32]], steps: int) -> npt.NDArray[np.float32]:
    """One row a step: the calls of a step side by side; a denoiser that is not called at all steps is padded."""
    share = max(1, len(rows) // steps)
    whole = [np.concatenate(rows[i : i + share]) for i in range(0, share * (len(rows) // share), share)]
    whole += [whole[-1]] * (steps - len(whole))
    return np.stack(whole[:steps])


@contextmanager
def _watching(
    denoisers: tuple[Denoiser, ...],
    parts: list[Component],
    sketches: dict[str, list[npt.NDArray[np.float32]]],
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]],
    spent: dict[str, list[float]],
) -> Iterator[None]:
    """Within the context, features of parts are sampled, first calls are kept, and denoiser calls are timed."""
    hooks: list[Any] = []
    by_name = {denoiser.name: denoiser for denoiser in denoisers}
    try:
        for denoiser in denoisers:
            hooks += _timed(denoiser, calls, spent.setdefault(denoiser.name, []))
        for part in parts:
            first, last = _ends(by_name[part.denoiser], part)
            hooks += _sampled(first, last, sketches.setdefault(part.id, []))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _timed(denoiser: Denoiser, calls: dict[str, Any], spent: list[float]) -> list[Any]:
    began: list[float] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.setdefault(denoiser.name, (args, kwargs))
        began.append(perf_counter())

    def after(module: nn.Module, args: Any, output: Any) -> None:
        spent.append(perf_counter() - began.pop())

    module = denoiser.module
    return [module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)]


def _ends(denoiser: Denoiser, part: Component) -> tuple[nn.Module | None, nn.Module]:
    """The modules whose input and output bound a part; no first one where the output itself is what is cached."""
    if part.kind == "span":
        first, last = span_range(part.id)
        return denoiser.blocks[first], denoiser.blocks[last - 1]
    if part.kind == "block":
        return denoiser.modules[part.id], denoiser.modules[part.id]
    return None, denoiser.module


def _sampled(first: nn.Module | None, last: nn.Module, rows: list[npt.NDArray[np.float32]]) -> list[Any]:
    """Hooks that sample output - input of a part, or the output alone."""
    entered: list[dict[str, Any]] = []
    pick = _sampler()

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        entered[:] = [arguments(module, args, kwargs)]

    def after(module: nn.Module, args: Any, output: Any) -> None:
        leaves = tensors(output)
        streams = flow(entered[0], output, (), None).streams if entered else ()
        if streams:
            name, leaf = max(streams, key=lambda s: entered[0][s[0]].numel())
            found = torch.utils._pytree.tree_leaves(output)[leaf]
            rows.append(pick(found) - pick(entered[0][name]))
        elif leaves:
            rows.append(pick(max(leaves, key=lambda t: t.numel())))

    hooks: list[Any] = [last.register_forward_hook(after)]
    if first is not None:
        hooks.append(first.register_forward_pre_hook(before, with_kwargs=True))
    return hooks


def _sampler() -> Callable[[torch.Tensor], npt.NDArray[np.float32]]:
    """Picks the same random elements of every tensor of a size."""
    places: dict[int, torch.Tensor] = {}

    def pick(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
        count = tensor.numel()
        if count not in places:
            generator = torch.Generator().manual_seed(0)
            places[count] = torch.randint(count, (min(SKETCH, count),), generator=generator).to(tensor.device)
        picked: npt.NDArray[np.float32] = tensor.detach().reshape(-1)[places[count]].float().cpu().numpy()
        return picked

    return pick

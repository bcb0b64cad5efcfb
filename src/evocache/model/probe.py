"""The probe: shapes, bytes, FLOPs and time of every component, from forwards of the denoiser.

Works on real tensors, and without memory or weights on the `meta` device or under fake tensors (then without times).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..errors import PipelineError
from ..schedule import Component, deep_depth, span_range
from .discover import Denoiser, Model, discover
from .outputs import count_bytes, list_tensors


@dataclass(frozen=True)
class Measure:
    """What one component costs in one denoiser call, its parts included.

    Attributes:
        shapes: shapes of the tensors that it returns.
        bytes: bytes of one stored value.
        flops: floating-point operations, two for a multiply-add.
        seconds: median time of its forward; None where nothing was timed.
    """

    shapes: tuple[tuple[int, ...], ...]
    bytes: int
    flops: int
    seconds: float | None


@dataclass(frozen=True)
class Probe:
    """Measures of all components of a model, by id, for one denoiser call each."""

    model: Model
    measures: Mapping[str, Measure]

    def exclusive(self, what: str = "flops") -> dict[str, float]:
        """Return the costs of components without their parts, as `Schedule.cost` wants them.

        Args:
            what: `flops` or `seconds`.

        Raises:
            PipelineError: if seconds are asked for and nothing was timed.
        """
        inclusive: dict[str, float] = {}
        for id, measure in self.measures.items():
            value = getattr(measure, what)
            if value is None:
                raise PipelineError("a probe without times", "a probe on real tensors", "probe on a real device")
            inclusive[id] = float(value)
        own = dict(inclusive)
        for component in self.model.tree.components:
            if component.parent in own:
                own[component.parent] -= inclusive.get(component.id, 0.0)
        return {id: max(value, 0.0) for id, value in own.items()}

    def sizes(self) -> dict[str, int]:
        """Return the bytes of one stored value, by component id."""
        return {id: measure.bytes for id, measure in self.measures.items()}


class _Captured(BaseException):
    """Ends a generation once every denoiser was seen; not an Exception, so that no pipeline swallows it."""


Call = tuple[tuple[Any, ...], dict[str, Any]]


def probe(
    denoiser: Denoiser, args: Sequence[Any], kwargs: Mapping[str, Any], *, repeats: int = 3
) -> dict[str, Measure]:
    """Measure a denoiser's components, by `repeats` timed forwards and one that counts FLOPs.

    Args:
        denoiser: the denoiser.
        args: positional arguments that it is called with.
        kwargs: keyword arguments that it is called with.
        repeats: timed forwards; 0 for meta or fake tensors.
    """
    watched = _watched(denoiser)
    counted: dict[int, int] = {}
    outputs: dict[int, Any] = {}
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, _around(watched, counter.get_total_flops, counted, outputs):
        denoiser.module(*args, **kwargs)
    samples: dict[int, list[float]] = {}
    for _ in range(repeats):
        timed: dict[int, float] = {}
        with torch.no_grad(), _around(watched, _now(denoiser.module, (args, kwargs)), timed, {}):
            denoiser.module(*args, **kwargs)
        for id_, value in timed.items():
            samples.setdefault(id_, []).append(value)
    seconds = {id_: median(values) for id_, values in samples.items()}
    return {c.id: _measure(denoiser, c, counted, outputs, seconds) for c in denoiser.components}


def probe_pipeline(pipe: Any, call: Mapping[str, Any], *, repeats: int = 3) -> Probe:
    """Measure all denoisers of a pipeline, on the inputs that they get in its first steps.

    Args:
        pipe: the pipeline.
        call: keyword arguments of the pipeline's call; two steps are made unless it says otherwise.
        repeats: timed forwards of each denoiser.

    Raises:
        PipelineError: if it is no pipeline, or a denoiser was never called.
    """
    model = discover(pipe)
    calls = capture_calls(pipe, model, call)
    measures: dict[str, Measure] = {}
    for denoiser in model.denoisers:
        if denoiser.name not in calls:
            raise PipelineError(
                f"a call in which {denoiser.name} is not called", "a call that uses every denoiser", "use more steps"
            )
        args, kwargs = calls[denoiser.name]
        measures.update(probe(denoiser, args, kwargs, repeats=repeats))
    return Probe(model, measures)


def capture_calls(pipe: Any, model: Model, call: Mapping[str, Any]) -> dict[str, Call]:
    """Record the arguments of each denoiser's first call when the pipeline is called; the generation is broken off."""
    calls: dict[str, Call] = {}

    def hook(name: str) -> Callable[..., None]:
        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            calls.setdefault(name, (_copied(args), _copied(kwargs)))
            if len(calls) == len(model.denoisers):
                raise _Captured

        return before

    removable = [d.module.register_forward_pre_hook(hook(d.name), with_kwargs=True) for d in model.denoisers]
    try:
        pipe(**{"num_inference_steps": 2, **call})
    except _Captured:
        pass
    finally:
        for handle in removable:
            handle.remove()
    return calls


def _copied(value: Any) -> Any:
    return torch.utils._pytree.tree_map(lambda v: v.clone() if isinstance(v, torch.Tensor) else v, value)


def _watched(denoiser: Denoiser) -> list[nn.Module]:
    """Modules that are measured: those of components, and the units and stages that deep parts consist of."""
    found = {id(m): m for m in denoiser.modules.values()}
    for deep in denoiser.unet.deeps if denoiser.unet else ():
        found.update({id(m): m for m in (*deep.skipped, *deep.exits)})
    return list(found.values())


@contextmanager
def _around(
    modules: list[nn.Module], read: Callable[[], Any], spent: dict[int, Any], outputs: dict[int, Any]
) -> Iterator[None]:
    """Within the context, what `read` counts is attributed to modules, parts included, in `spent`."""
    began: dict[int, list[Any]] = {}

    def before(module: nn.Module, args: Any) -> None:
        began.setdefault(id(module), []).append(read())

    def after(module: nn.Module, args: Any, output: Any) -> None:
        spent[id(module)] = spent.get(id(module), 0) + read() - began[id(module)].pop()
        outputs[id(module)] = (tuple(tuple(t.shape) for t in list_tensors(output)), count_bytes(output))

    handles = [h for m in modules for h in (m.register_forward_pre_hook(before), m.register_forward_hook(after))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _now(module: nn.Module, given: Any) -> Callable[[], float]:
    """A clock that is right for where a module computes: on a GPU it waits for what was launched.

    That is where its inputs are; its weights may be elsewhere in between.
    """
    devices = [tensor.device for tensor in (*list_tensors(given), *module.parameters())]
    device = next((device for device in devices if device.type == "cuda"), None)
    if device is None:
        return time.perf_counter

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def _measure(
    denoiser: Denoiser,
    component: Component,
    counted: Mapping[int, int],
    outputs: Mapping[int, tuple[tuple[tuple[int, ...], ...], int]],
    seconds: Mapping[int, float],
) -> Measure:
    if component.kind == "span":
        first, last = span_range(component.id)
        parts = denoiser.blocks[first:last]
        seen = [m for m in parts if id(m) in outputs][-1:]
    elif component.kind == "deep":
        assert denoiser.unet is not None
        deep = denoiser.unet.deeps[deep_depth(component.id)]
        parts = deep.skipped
        called = [i for i in outputs if i in {id(m) for m in deep.exits}]
        seen = [m for m in deep.exits if called and id(m) == called[-1]]
    else:
        parts = (denoiser.modules[component.id],)
        seen = [m for m in parts if id(m) in outputs]
    shapes, size = outputs[id(seen[0])] if seen else ((), 0)
    time_ = sum(seconds.get(id(m), 0.0) for m in parts) if seconds else None
    return Measure(shapes, size, sum(counted.get(id(m), 0) for m in parts), time_)

"""The fixtures themselves: deterministic, lively, and sensitive to every block that a cache may skip."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, SchedulerMixin

from tests.tiny import FAMILIES, FAMILY_OF, KNOWN_WARNINGS, Tiny, share

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]
pytestmark += [pytest.mark.table("tiny", family=lambda tiny: FAMILY_OF[tiny.name])]

VISIBLE = 1e-4
"""Mean absolute difference of two outputs in [0, 1] that counts as a difference."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """More threads than free cores make models this small many times slower: they wait by spinning."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys(), scope="module")
def tiny(request: pytest.FixtureRequest) -> Tiny:
    """Each family in turn."""
    return request.param


@pytest.fixture(scope="module")
def pipe(tiny: Tiny) -> DiffusionPipeline:
    """Its pipeline, built once."""
    return tiny.build()


@pytest.fixture(scope="module")
def plain(tiny: Tiny, pipe: DiffusionPipeline) -> np.ndarray:
    """What it generates by default."""
    return tiny.call(pipe)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference."""
    return float(np.abs(one - other).mean())


def skip(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    """Forward hook that makes a module the identity: an output becomes the input of the same shape."""
    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments.values()
    inputs = [value for value in bound if isinstance(value, torch.Tensor)]

    def through(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return next(candidate for candidate in inputs if candidate.shape == value.shape)

    return tuple(map(through, output)) if isinstance(output, tuple) else through(output)


def skippable(tiny: Tiny, pipe: DiffusionPipeline) -> Iterator[tuple[str, torch.nn.Module]]:
    """Every block of the family's lists, and the middle blocks of U-Nets, by their paths."""
    for path in tiny.block_lists:
        name, _, inner = path.partition(".")
        for index, block in enumerate(getattr(pipe, name).get_submodule(inner)):
            yield f"{path}.{index}", block
    for name in tiny.denoisers:
        if hasattr(denoiser := getattr(pipe, name), "mid_block"):
            yield f"{name}.mid_block", denoiser.mid_block


def test_the_output_is_finite_and_varied(plain: np.ndarray) -> None:
    """Floats in [0, 1] that are not all alike."""
    assert plain.dtype == np.float32
    assert np.isfinite(plain).all()
    assert 0 <= plain.min() < plain.max() <= 1
    assert plain.std() > 0.02


def test_builds_and_calls_are_bit_identical(tiny: Tiny, pipe: DiffusionPipeline, plain: np.ndarray) -> None:
    """Two builds have the same weights; two calls of either give the same output."""
    assert np.array_equal(tiny.call(pipe), plain)
    assert np.array_equal(tiny.call(tiny.build()), plain)


@pytest.mark.parametrize("change", [{"seed": 1}, {"guidance": False}, {"steps": 5}], ids=str)
def test_each_setting_matters(tiny: Tiny, pipe: DiffusionPipeline, plain: np.ndarray, change: dict[str, Any]) -> None:
    """Seed, guidance and step count change the output."""
    assert difference(tiny.call(pipe, **change), plain) > VISIBLE


def test_every_block_matters(tiny: Tiny, pipe: DiffusionPipeline, plain: np.ndarray) -> None:
    """Skipping any one block shows in the output."""
    seen = {}
    for path, block in skippable(tiny, pipe):
        hook = block.register_forward_hook(skip, with_kwargs=True)
        try:
            seen[path] = difference(tiny.call(pipe), plain)
        finally:
            hook.remove()
    assert len(seen) == tiny.blocks if tiny.kind == "dit" else seen
    assert min(seen.values()) > VISIBLE, seen
    assert np.array_equal(tiny.call(pipe), plain)


@pytest.mark.parametrize("guidance", [True, False], ids=["guided", "unguided"])
def test_denoiser_calls_per_scheduler_step(
    tiny: Tiny, pipe: DiffusionPipeline, guidance: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline calls its denoisers as often as the family says, at every step of its schedulers."""
    calls = [0]  # before the first, the second, ... scheduler step

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def counted_step(*args: Any, **kwargs: Any) -> Any:
            calls.append(0)
            return step(*args, **kwargs)

        return counted_step

    def count(*_: Any) -> None:
        calls[-1] += 1

    for part in pipe.components.values():
        if isinstance(part, SchedulerMixin):
            monkeypatch.setattr(part, "step", counted(part.step))
    hooks = [getattr(pipe, name).register_forward_pre_hook(count) for name in tiny.denoisers]
    try:
        tiny.call(pipe, guidance=guidance)
    finally:
        for hook in hooks:
            hook.remove()
    steps = len(calls) - 1
    assert steps > 0
    assert calls == [tiny.calls_per_step if guidance else 1] * steps + [0]


def test_a_shared_pipeline_has_the_same_modules(tiny: Tiny, pipe: DiffusionPipeline, plain: np.ndarray) -> None:
    """`share` gives the same output by the same weights, with a scheduler and tokenizers of its own."""
    twin = share(pipe)
    assert type(twin) is type(pipe)
    assert twin.scheduler is not pipe.scheduler
    assert all(getattr(twin, name) is getattr(pipe, name) for name in tiny.denoisers)
    assert np.array_equal(tiny.call(twin), plain)

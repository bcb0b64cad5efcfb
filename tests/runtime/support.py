"""Observers that know nothing of the runtime: which modules ran, what an object looks like, how alike outputs are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from evocache import apply
from evocache.schedule import COMPUTE, Schedule, Tree
from tests.family import Family

POLICIES = ("fora:2", "fora:3", "steps:0,2", "deepcache:2", "deepcache:3,1", "tgate:2")


def suits(spec: str, tree: Tree) -> bool:
    """Whether a spec makes sense for a model."""
    if spec.startswith("steps"):
        return True
    kinds = {"fora": ("attention", "cross_attention", "feed_forward", "projection", "resnet"), "deepcache": ("deep",)}
    return bool(tree.of_kind(*kinds.get(spec.split(":")[0], ("cross_attention",))))


@contextmanager
def counted(family: Family) -> Iterator[Counter[str]]:
    """Count, by hooks, in how many denoiser calls the module of each component ran."""
    counts: Counter[str] = Counter()
    hooks = []
    for denoiser in family.model.denoisers:
        seen: set[str] = set()
        for id, module in denoiser.modules.items():
            hooks.append(module.register_forward_pre_hook(_count(counts, seen, id, id == denoiser.name)))
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()


def _count(counts: Counter[str], seen: set[str], id: str, outermost: bool) -> Any:
    def hook(*_: Any) -> None:
        if outermost:
            seen.clear()
        if id not in seen:
            seen.add(id)
            counts[id] += 1

    return hook


def random_schedule(tree: Tree, steps: int, seed: int, computed: float = 0.5) -> Schedule:
    """A schedule of every action anywhere; containers compute more often than leaves, or leaves would never matter."""
    rng = np.random.default_rng(seed)
    shape = (steps, len(tree))
    orders = rng.integers(0, 4, shape).astype(np.int8)
    often = np.array([computed if c.is_leaf else 0.8 if c.kind == "block" else 0.9 for c in tree.components])
    orders[rng.random(shape) < often] = COMPUTE.order
    return Schedule.repaired(tree, orders, rng.choice([0.0, 0.25, 0.5, 1.0], shape))


def with_nested_spans(tree: Tree) -> Tree:
    """The tree with spans over the first blocks of every denoiser that has several: two of them, nested."""
    for root in tree.of_kind("denoiser"):
        blocks = [c for c in tree.of_kind("block") if c.denoiser == root.id and c.block is not None]
        if tree.of_kind("span") and len(blocks) > 3:
            tree = tree.with_span(root.id, 0, 3).with_span(root.id, 1, 3)
    return tree


def snapshot(pipe: Any) -> dict[str, Any]:
    """Everything that an accelerated run might leave behind, by path; objects are held, so that `is` works later."""
    out: dict[str, Any] = {}
    for name, thing in {"": pipe, **pipe.components}.items():
        parts = thing.named_modules(prefix=name) if isinstance(thing, torch.nn.Module) else [(name, thing)]
        for path, part in parts:
            out[f"{path}.__class__"] = type(part)
            for key, value in getattr(part, "__dict__", {}).items():
                out[f"{path}.{key}"] = value
                if isinstance(value, dict):
                    out.update({f"{path}.{key}[{k}]": v for k, v in value.items()})
    return out


def changes(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Paths at which two snapshots differ: by identity, but for plain values."""
    same = {key for key in before.keys() & after.keys() if _same(before[key], after[key])}
    return (before.keys() | after.keys()) - same


def _same(a: Any, b: Any) -> bool:
    plain = (int, float, str, tuple, type(None))
    return a is b or (type(a) is type(b) and isinstance(a, plain) and a == b)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of outputs in [0, 1], in decibels."""
    return float(-10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2) + 1e-20))


def executes(one, what, program):
    """Run; the modules that ran, the handle's figures and the schedule's own counts agree."""
    expected = one.expected(program)
    with apply(one.pipe, what) as handle, counted(one) as ran:
        output = one.call()
    modules = {id for denoiser in one.model.denoisers for id in denoiser.modules}
    assert {id: ran[id] for id in modules} == {id: expected[id] for id in modules}
    assert handle.stats.executed == expected
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes > 0
    assert handle.stats.cached_bytes == 0
    assert np.isfinite(output).all()
    return output

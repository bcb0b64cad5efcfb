"""What is stored under a schedule: bytes of each feature, when each is used, what is held beside, what stays uncut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ...memory.planner.footprint import BranchFootprint
from ...memory.swapping.transfer_tape import uses
from ...model import Denoiser
from ...schedule import Schedule, Tree, span_range
from ..compiled import Compiled
from ..program.forecast import HALF, sum_bytes
from .acts import DryRun, largest
from .feature_bytes import feature_sizes
from .survey_memo import find_once


def stored_sizes(compiled: Compiled, seen: DryRun, storage: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Return for each denoiser, bytes of what it stores, in order of execution."""
    starts = seen.starts
    for denoiser in compiled.model.denoisers:
        acts = seen.calls(denoiser.name)
        if acts:
            act, start = largest(acts), min(step for (name, _), step in starts.items() if name == denoiser.name)
            plan = compiled.plan(denoiser, seen.steps, start).plan
            ids = tuple(plan.schedule.components[column].id for column in sorted(plan.touched))
            find = partial(feature_sizes, denoiser, plan, act.args, act.kwargs, storage)
            yield denoiser.name, find_once(denoiser.module, act, ("features", storage, ids), find)


def branches(compiled: Compiled, seen: DryRun, features: Mapping[str, Mapping[str, int]]) -> Iterator[BranchFootprint]:
    """Return for each branch of each denoiser, what it stores and when it uses it."""
    known: dict[tuple[str, int], BranchFootprint] = {}  # branches that are entered at one step use their features alike
    for (name, _), start in seen.starts.items():
        plan = compiled.plan(compiled.model[name], seen.steps, start).plan
        if plan.touched and (name, start) not in known:
            used = uses(plan.schedule, features[name], tuple(features[name]))
            known[name, start] = BranchFootprint(used.lives, used.events[:, 0].tolist())
        if plan.touched:
            yield known[name, start]


def beside(compiled: Compiled, seen: DryRun, features: Mapping[str, Mapping[str, int]], storage: str) -> int:
    """Return bytes that storing features holds at most beside them and the activations."""
    computed = features if storage == "none" else dict(stored_sizes(compiled, seen, "none"))
    schedule = compiled.schedule(seen.steps)
    return max(
        (kept_beside(computed[name], schedule, storage, half=in_half(compiled.model[name])) for name in features),
        default=0,
    )


def in_half(denoiser: Denoiser) -> bool:
    """Return whether a denoiser computes in half precision, so that its forecasts are summed in single."""
    return any(weight.dtype in HALF for weight in denoiser.module.parameters())


def kept_beside(sizes: Mapping[str, int], schedule: Schedule, storage: str, *, half: bool = False) -> int:
    """Return bytes that storing a denoiser's features holds beside them.

    That is a copy of the largest, or what it is compared with.

    The host may write into what a deep part or the denoiser returns, so that it is handed a copy. What enters a span
    is kept until it leaves, as its residual is what is stored; spans that begin with one another keep it together. A
    feature that is coded is decoded as a whole. A forecast from features of half precision is summed in single.

    Args:
        sizes: bytes of the features as they are computed.
        schedule: what stores them.
        storage: the coding that they are stored in.
        half: whether they are of half precision.
    """
    tree, coded = schedule.tree, storage != "none"
    kinds = {id: tree.components[tree.index[id]].kind for id in sizes}
    copied = [size for id, size in sizes.items() if coded or kinds[id] in ("deep", "denoiser")]
    if half:
        forecast = [size for id, size in sizes.items() if (schedule.orders[:, tree.index[id]] > 0).any()]
        copied += [sum_bytes(size, whole=coded) for size in forecast]
    entered = sorted((size, *span_range(id)) for id, size in sizes.items() if kinds[id] == "span")
    kept = [{first: size for size, first, last in entered if first <= at < last} for _, at, _ in entered]
    return max([0, *copied, *(sum(around.values()) for around in kept)])


def stored_paths(tree: Tree, stored: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Paths of the blocks that are stored, or that stored spans cover, and of the leaves that are.

    What contains such a block runs as a whole: slices that advance side by side would each come to a block whose
    feature is one. What contains such a leaf is not cut into slices that wait for one another: where the leaf is not
    computed they do not meet in it, and hold something else than was surveyed.

    Args:
        tree: the schedule's.
        stored: ids of the components of a denoiser that are stored.
    """
    parts = [tree.components[tree.index[id]] for id in stored]
    spanned = {part.denoiser for part in parts if part.kind == "span"}
    blocks = {c.id for c in tree.of_kind("block") if c.denoiser in spanned}
    blocks |= {part.id for part in parts if part.kind == "block"}
    return _paths(blocks), _paths(part.id for part in parts if part.is_leaf)


def _paths(ids: Iterable[str]) -> frozenset[str]:
    return frozenset(id.partition("/")[2] for id in ids)

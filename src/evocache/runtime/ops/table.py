"""The table of one denoiser call: which modules do something else than run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from functools import partial
from typing import Any, Protocol

from torch import nn

from ..attach.call_scope import Op
from ..attach.slot import Given, Slot, Through
from ..program.plan import Row
from .branch_layout import WHOLE
from .branch_state import BranchState
from .leaf import Blank, Keep, Observe, Reuse
from .span import BlockOp, Capture, Skip
from .unet_deep import Bypass, DeepBlank, DeepKeep, DeepReuse, Entry

LASTING = (Blank, DeepBlank, DeepReuse, Keep, Reuse)
"""Operations that serve all forwards of their branch."""


class Watcher(Protocol):
    """Sees the calls of a module without changing them."""

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note that the module is called."""

    def after(self, module: Any, output: Any) -> None:
        """Note that the module has returned."""


class Watched:
    """A module's operation, or the module itself, with watchers around it."""

    __slots__ = ("inner", "watchers")

    def __init__(self, inner: Op | None, watchers: list[Watcher]) -> None:
        self.inner = inner
        self.watchers = watchers

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        for watcher in self.watchers:
            watcher.before(module, args, kwargs)
        inner = self.inner
        output = original(module, *args, **kwargs) if inner is None else inner(original, module, args, kwargs)
        self._show(module, output)
        return output

    def _show(self, module: Any, output: Any) -> None:
        for watcher in reversed(self.watchers):
            watcher.after(module, output)

    def slot(self, module: Any) -> Slot | None:
        """Return a slot that does the same within a compiled region, if it is an end of a deep part that computes."""
        if self.inner is not None or not all(type(watcher) in (DeepKeep, Entry) for watcher in self.watchers):
            return None
        if all(type(watcher) is Entry for watcher in self.watchers):
            return Through()
        return Given(partial(self._show, module))


def table(
    branch: BranchState,
    row: Row,
    *,
    lost: Set[int],
    observed: Set[int],
    kept: Set[int],
    unobserved: Iterable[nn.Module],
) -> dict[int, Op]:
    """Operations by module id for a denoiser call under a row.

    Args:
        branch: the call's branch.
        row: what is computed, stored and recalled.
        lost: columns that compute although the row says otherwise.
        observed: columns with a module in them that somebody observes.
        kept: columns whose output is looked at when it is computed.
        unobserved: modules whose output has to be seen before they can be skipped.
    """
    layout = branch.layout
    ops: dict[int, Op] = {}
    blocks: dict[int, BlockOp] = {}
    watchers: dict[int, list[Watcher]] = {}
    for column, recall in row.recalls.items():
        kind = layout.kinds[column]
        if column in observed:
            continue
        if kind == "deep":
            if column not in lost:
                bypass = Bypass(branch, column)
                ops.update({id(module): DeepBlank(branch, column, bypass) for module in layout.deep(column).skipped})
                ops[branch.exits[column]] = DeepReuse(branch, column, bypass)
        elif kind in ("span", "block"):
            covered = layout.covered(column)
            skip = Skip(branch, column, recall, covered)
            for block in covered:
                blocks.setdefault(block, BlockOp(block)).skip = skip
        elif kind not in WHOLE:
            ops[layout.address(column)] = Reuse(branch, column)
    for column in row.blanks - lost:
        ops[layout.address(column)] = Blank(branch, column)
    for column in sorted(kept):
        kind = layout.kinds[column]
        if kind == "deep":
            deep = layout.deep(column)
            keep = DeepKeep(branch, column, {id(m) for m in deep.exits})
            branch.open.append(keep)
            for id_ in keep.exits:
                watchers.setdefault(id_, []).append(keep)
            first = branch.entries.get(column) if branch.row else None
            for id_ in {id(m) for m in deep.skipped} if first is None else first[:1]:
                watchers.setdefault(id_, []).append(Entry(keep))
        elif kind in ("span", "block"):
            covered = layout.covered(column)
            capture = Capture(branch, column, covered)
            branch.open.append(capture)
            for block in covered:
                blocks.setdefault(block, BlockOp(block)).captures.append(capture)
        elif kind not in WHOLE:
            ops[layout.address(column)] = Keep(branch, column)
    for block, op in blocks.items():
        ops[layout.address(block)] = op
    for module in unobserved:
        watchers.setdefault(id(module), []).append(Observe(branch))
    for id_, watching in watchers.items():
        ops[id_] = Watched(ops.get(id_), watching)
    return ops


def computes(op: Op | None) -> bool:
    """Return whether the module itself is to run at an operation, as far as that is known beforehand."""
    kind = type(op)
    if kind is Keep or kind is Reuse:
        return kind is Keep
    if isinstance(op, Watched):
        return computes(op.inner)
    if isinstance(op, BlockOp):
        return op.skip is None
    return op is None or getattr(op, "computing", False)

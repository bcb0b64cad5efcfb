"""The table of one denoiser call: which modules do something else than run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ...schedule import GUIDANCE
from ..attach.call_scope import Op
from ..attach.slot import Given, Slot, Through
from ..program.plan import Row
from .leaf import Blank, Keep, Observe, Reuse
from .span import BlockOp, Capture, Skip
from .unet_deep import Bypass, DeepBlank, DeepKeep, DeepReuse, Entry

if TYPE_CHECKING:
    from .branch import Branch


WHOLE = ("denoiser", GUIDANCE)
"""Kinds that are the denoiser call itself, which is in no table."""


LASTING = (Blank, DeepBlank, DeepReuse, Keep, Reuse)
"""Operations that serve all forwards of their branch."""


class Watcher(Protocol):
    """Sees the calls of a module without changing them."""

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """The module is called."""

    def after(self, module: Any, output: Any) -> None:
        """The module has returned."""


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
        self._seen(module, output)
        return output

    def _seen(self, module: Any, output: Any) -> None:
        for watcher in reversed(self.watchers):
            watcher.after(module, output)

    def slot(self, module: Any) -> Slot | None:
        """The same within a compiled region, if it is the entry or exit of a deep part that computes."""
        if self.inner is not None or not all(type(watcher) in (DeepKeep, Entry) for watcher in self.watchers):
            return None
        if all(type(watcher) is Entry for watcher in self.watchers):
            return Through()
        return Given(partial(self._seen, module))


def table(branch: Branch, row: Row) -> dict[int, Op]:
    """Operations by module id for a denoiser call under `row`.

    Where all of them are those of leaves and of what is skipped with them, which serve any call, the table is kept for
    rows of the same pattern.
    """
    lost = branch.lost(row)
    known = branch.tables.get(row.pattern) if branch.row and not lost else None
    if known is not None:
        return known
    ops: dict[int, Op] = {}
    blocks: dict[int, BlockOp] = {}
    watchers: dict[int, list[Watcher]] = {}
    for column, recall in row.recalls.items():
        kind = branch.kinds[column]
        if column in branch.observed:
            continue
        if kind == "deep":
            if column not in lost:
                bypass = Bypass(branch, column)
                ops.update({id(module): DeepBlank(branch, column, bypass) for module in branch.deep(column).skipped})
                ops[branch.exits[column]] = DeepReuse(branch, column, bypass)
        elif kind in ("span", "block"):
            covered = branch.covered(column)
            skip = Skip(branch, column, recall, covered)
            for block in covered:
                blocks.setdefault(block, BlockOp(block)).skip = skip
        elif kind not in WHOLE:
            ops[branch.address(column)] = Reuse(branch, column)
    for column in row.blanks - lost:
        ops[branch.address(column)] = Blank(branch, column)
    for column in sorted(branch.kept(row)):
        kind = branch.kinds[column]
        if kind == "deep":
            deep = branch.deep(column)
            keep = DeepKeep(branch, column, {id(m) for m in deep.exits})
            branch.open.append(keep)
            for id_ in keep.exits:
                watchers.setdefault(id_, []).append(keep)
            first = branch.entries.get(column) if branch.row else None
            for id_ in {id(m) for m in deep.skipped} if first is None else first[:1]:
                watchers.setdefault(id_, []).append(Entry(keep))
        elif kind in ("span", "block"):
            covered = branch.covered(column)
            capture = Capture(branch, column, covered)
            branch.open.append(capture)
            for block in covered:
                blocks.setdefault(block, BlockOp(block)).captures.append(capture)
        elif kind not in WHOLE:
            ops[branch.address(column)] = Keep(branch, column)
    for block, op in blocks.items():
        ops[branch.address(block)] = op
    for module in branch.unobserved():
        watchers.setdefault(id(module), []).append(Observe(branch))
    for id_, watching in watchers.items():
        ops[id_] = Watched(ops.get(id_), watching)
    if branch.row and not lost and all(type(op) in LASTING for op in ops.values()):
        branch.tables[row.pattern] = ops
    return ops

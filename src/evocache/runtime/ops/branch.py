"""A branch: one of a denoiser's calls in each step, through one pass. It makes the tables of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..attach.call_scope import Op
from ..program.plan import Recall, Row
from .branch_state import BranchState
from .table import LASTING, table


class Branch(BranchState):
    """One branch of a denoiser, from its state to what happens in each step. Its arguments are those of the state."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tables: dict[object, dict[int, Op]] = {}
        """Tables that hold for all rows of a pattern."""
        self.observed: frozenset[int] = frozenset()
        """Components with a module in them that is observed, so that they compute in the call at hand."""
        self._observers: tuple[int, bool] = (0, False)

    def begin(self, step: int) -> dict[int, Op]:
        """Return the table of a denoiser call at a step: which modules do something else than run, by module id."""
        self.called(step)
        row = self.plan.row(step)
        if row is None:
            self.executed = self.executed + 1
            self.recalls = {}
            return {}
        self.enter(row)
        return self.operations(row)

    def operations(self, row: Row) -> dict[int, Op]:
        """Return the table of the denoiser call at hand, under a row.

        Where all operations are those of leaves and of what is skipped with them, which serve any call, the table is
        kept for rows of the same pattern.
        """
        lost = self.lost(row)
        known = self.tables.get(row.pattern) if self.row and not lost else None
        if known is not None:
            return known
        kept = self.kept(row)
        ops = table(self, row, lost=lost, observed=self.observed, kept=kept, unobserved=self.unobserved())
        if self.row and not lost and all(type(op) in LASTING for op in ops.values()):
            self.tables[row.pattern] = ops
        return ops

    def kept(self, row: Row) -> frozenset[int]:
        """Columns whose output is looked at when it is computed: those that are stored.

        In the branch's first row, where everything computes, those of all components that will ever be stored, so that
        their order of execution is known.
        """
        return row.stores if self.row else self.layout.touched

    def end(self) -> None:
        """End the pass: what was counted stays, stand-ins on the device do not."""
        self.blanks.clear()
        self.flows.clear()
        self.tables.clear()

    def lost(self, row: Row) -> set[int]:
        """Columns that compute although the row says otherwise: what they stand for would need stand-ins as inputs.

        These are the deep parts and the readers whose feature is not there, or was changed in place by the host, and
        whatever these readers read.
        """
        if not self.layout.delicate and not self.observed:
            return set()
        needy = self.layout.delicate & row.recalls.keys()
        gone = {column for column in needy if not self._intact(column, row.recalls[column])}
        watched = self.observed & (row.recalls.keys() | row.blanks) - {self.layout.root, self.layout.guidance}
        for column in watched:
            self.computed_after_all(column)
        gone |= watched
        sources = {source for source in row.blanks if gone & set(self.layout.sources[source])} - watched
        if sources:
            self.executed[list(sources)] += 1
        return gone | sources

    def observe(self, found: Mapping[int, object], version: int, *, whole: bool = False) -> None:
        """Modules that are observed in the coming call: what contains one of them computes.

        Args:
            found: something by the ids of these modules.
            version: changes with them.
            whole: whether all that the call computes is observed, as it is where gradients are taken through it.
        """
        if (version, whole) == self._observers:
            return
        self._observers = version, whole
        self.tables.clear()
        columns = range(len(self.layout.components))
        self.observed = frozenset(c for c in columns if whole or any(id(m) in found for m in self.layout.parts(c)))

    def unobserved(self) -> list[nn.Module]:
        """Modules that will be skipped and whose output has not been seen yet."""
        return [module for module in self.layout.skipped if id(module) not in self.blanks]

    def _intact(self, column: int, recall: Recall) -> bool:
        return column in self.packing and all(self.store.intact((self.key, column, born)) for born in recall.born)

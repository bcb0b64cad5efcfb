"""The state of a branch: what is stored, how outputs are packed, how streams flow, what was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from ...memory import FeatureStore, Stale
from ...memory.swapping.transfer_tape import Cell, Tape
from ...schedule.liveness import Lifetimes
from ..program.forecast import combine, combine_one
from ..program.plan import Plan, Recall, Row
from .branch_layout import BranchLayout
from .latents import by_sample
from .stored_output import Packing, Seen, Shapes
from .streams import Flow, Stored


class Taker(Protocol):
    """An operation that took a feature in the call at hand."""

    def finish(self) -> None:
        """Let go of what is left of a call that is over."""


class BranchState:
    """State of one branch, as operations on its components read and change it.

    Args:
        layout: its components, and their modules.
        plan: its plan, over the whole schedule's components.
        store: the generation's store.
        key: what distinguishes this branch's features in the store.
        signature: shape of the denoiser's input; a branch serves only calls of that shape.
        number: number of the pass.
        tape: which features leave the device when; none do if it is not given.
    """

    def __init__(
        self,
        layout: BranchLayout,
        plan: Plan,
        store: FeatureStore,
        key: object,
        signature: object,
        number: int = 0,
        tape: Tape | None = None,
    ) -> None:
        self.denoiser = layout.denoiser
        self.layout = layout
        self.plan = plan
        self.store = store
        self.key = key
        self.signature = signature
        self.number = number
        self.tape = tape
        self.direct = tape is None and store.coding == "none"
        """Whether features stay where they are, as they are."""
        self._played: set[Cell] = set()
        self.recalls: Mapping[int, Recall] = {}
        """What is recalled in the call at hand, by column."""
        self.stores: frozenset[int] = frozenset()
        """Columns of what is stored in the call at hand."""
        self._unread = 0
        self.sizes: dict[str, int] = {}
        """Bytes of one stored value, as it is stored, by component, in order of execution."""
        self.packing: dict[int, Sequence[Packing]] = {}
        """Per component, how each of the calls of its module in one step packs its output."""
        self.layouts: dict[int, dict[int, list[Stored]]] = {}
        """Per span or block: where a run of linked blocks ends, which stored tensor joins which stream."""
        self.flows: dict[int, Flow] = {}
        """Per block: how it is passed by."""
        self.linked: dict[int, bool] = {}
        """Per block: whether its flow was seen at the next block, rather than guessed."""
        self.blanks: dict[int, list[Seen]] = {}
        """Stand-ins for the outputs of modules that are skipped, by module id, one for each call in a forward."""
        self.entered: dict[int, Any] = {}
        """Shapes that components were given when what is stored was computed; of several calls, a list of them."""
        self.plain: dict[int, Any] = {}
        """The same of leaves whose one output is stored as it is, and handed out so."""
        self.entries: dict[int, tuple[int, Shapes]] = {}
        """Per deep part: id of the module that is the first of it to be called, and the shapes that it was given."""
        self.exits: dict[int, int] = {}
        """Per deep part: id of the module that returns the tensor that leaves it."""
        self.uneven: set[int] = set()
        """Components whose output does not tell what of it belongs to which sample."""
        self.copies: set[int] = set()
        """Components whose output the host changes in place, so that they are stored as copies."""
        self.rewritten: set[int] = set()
        """Spans with a block that writes into the stream it is given, so that the stream is copied at their entry."""
        self.written: set[int] = set()
        """Blocks after which the host writes into their output."""
        self.executed = np.zeros(len(self.layout.components), dtype=np.int64)
        self._before = self.executed
        self.calls = 0
        self.predicted: frozenset[tuple[int, ...]] = frozenset()
        """Shapes of what the denoiser returned at the branch's first call."""
        self.dropped: int | None = None
        self.row = 0
        self.open: list[Any] = []
        self.taken: list[Taker] = []
        """Leaves that took their feature in the call at hand; their operations outlive it."""

    def called(self, step: int) -> None:
        """Begin a denoiser call."""
        self.calls += 1
        self.row = step - self.plan.start
        self._before = self.executed

    def recompute_all(self) -> None:
        """Have the call at hand, which is made once more, compute everything."""
        self.executed = self._before + 1
        self.stores = frozenset()
        self.open.clear()

    def enter(self, row: Row) -> None:
        """Have the denoiser call at hand follow a row."""
        self.executed = self.executed + row.executed  # what was before is kept
        self.recalls, self.stores, self._unread = row.recalls, row.stores, row.dying

    def finish(self) -> None:
        """End the denoiser call: close what the host left open, free what it did not come to read."""
        for capture in self.open:
            capture.close()
        self.open.clear()
        for leaf in self.taken:
            leaf.finish()
        self.taken.clear()
        if self._unread:
            for column, recall in self.recalls.items():
                self.free(column, recall)
        self._unread = 0

    def put(self, column: int, tensors: Sequence[torch.Tensor], *, again: bool = False) -> None:
        """Note the size and order of a component computed at this step, and store its feature if it will be read.

        If it computed again in the same forward, this is stored beside what it gave before.
        """
        if column not in self.stores:
            size = self.store.size(tensors)
        else:
            if self.tape is not None:
                self._move(column, self.tape)
            key, copy = (self.key, column, self.row), column in self.copies
            if not again:
                size = self.store.put(key, tensors, copy=copy)
            elif key in self.store:
                size = self.store.add(key, tensors, copy=copy)
            else:  # a piece is lost, and with it the feature
                size = self.store.size(tensors)
        id = self.layout.ids[column]
        if again:
            size += self.sizes[id]
        if not self.row:
            self._note_uneven(column, tensors)
            self.sizes.pop(id, None)  # called several times, it was executed at the last of them
        self.sizes[id] = size

    def _note_uneven(self, column: int, tensors: Sequence[torch.Tensor]) -> None:
        """Note what a component gives that has not the batch as its first dimension, or the batch and its frames."""
        shape = self.signature[0] if isinstance(self.signature, tuple) else ()
        if not shape or not all(by_sample(t, shape) for t in tensors):
            self.uneven.add(column)

    def take(self, column: int, recall: Recall, piece: int | None = None) -> list[torch.Tensor] | None:
        """Return the recalled feature of a component; None if it has to be computed after all.

        That is so where the host changed it in place, or did not run the component when the schedule expected it. It is
        the host's to write into if the host is known to do so.

        Args:
            column: the component's.
            recall: what is recalled.
            piece: the one that is wanted, of a feature that is taken piece by piece (`in_pieces`).
        """
        if self.tape is not None:
            self._move(column, self.tape)
        keys, copy = [(self.key, column, born) for born in recall.born], column in self.copies
        try:
            if len(keys) == 1:
                return self.store.get(keys[0], copy=copy, piece=piece)
            found = (self.store.get(key, piece=piece) for key in keys)
            made = combine(found if self.store.coding != "none" else list(found), recall.weights)
            return self.store.get(keys[0], copy=copy, piece=piece) if made is None else made
        except Stale:
            self.copies.add(column)
            self.plain.pop(column, None)
            return None
        except KeyError:
            return None

    def take_one(self, column: int, recall: Recall) -> torch.Tensor | None:
        """Return the recalled feature of one tensor that is `plain`, by the shortest way; None: ask `take`."""
        store, key, born = self.store, self.key, recall.born
        if len(born) == 1:
            return store.get_one((key, column, born[0]))
        parts = [store.get_one((key, column, step)) for step in born]
        return combine_one(parts, recall.weights)

    def in_pieces(self, column: int, recall: Recall, pieces: int) -> bool:
        """Return whether a recalled feature is taken in pieces: it has many, and what is handed out is made for it."""
        if len(recall.born) == 1 and self.store.coding == "none" and column not in self.copies:
            return False
        return all(self.store.pieces((self.key, column, born)) == pieces for born in recall.born)

    @property
    def at_once(self) -> bool:
        """Whether all that the call at hand recalls may be taken before it runs.

        So it is if that is the store's own: parked features come back one after the other, and decoded, forecast and
        copied ones take memory beside the store, of which one at a time is enough.
        """
        if self.tape is not None:
            return False
        coded = self.store.coding != "none"
        return sum(coded or len(r.born) > 1 or c in self.copies for c, r in self.recalls.items()) < 2

    def _move(self, column: int, tape: Tape) -> None:
        """A component is about to write or read at this step: move what the tape says moves now, once."""
        cell = (self.row, column)
        moves = tape.moves.get(cell)
        if moves is None or cell in self._played:
            return
        self._played.add(cell)
        for act, cells in zip((self.store.park, self.store.settle, self.store.fetch), moves, strict=True):
            for step, other in cells:
                act((self.key, other, step))

    def entering(self, column: int, shapes: Any, *, again: bool) -> None:
        """Note the shapes that a component was given for what is stored of it; again, if it is one of several calls."""
        self.plain.pop(column, None)
        if again:
            before = self.entered[column]
            self.entered[column] = [*(before if isinstance(before, list) else [before]), shapes]
        else:
            self.entered[column] = shapes

    def computed_after_all(self, column: int, *, but: Sequence[int] = ()) -> None:
        """Count that a span, block or deep part, with all its parts, ran although the schedule says otherwise.

        Args:
            column: the component's.
            but: blocks in it that were passed by.
        """
        self.executed[self.layout.inside(column, but)] += 1

    def free(self, column: int, recall: Recall) -> None:
        """Forget the values that are read for the last time."""
        if recall.dies:
            self._unread -= 1
            for born in recall.dies:
                self.store.free((self.key, column, born))

    @property
    def step(self) -> int:
        """The step of the generation that the branch was last called at."""
        return self.plan.start + self.row

    def lifetimes(self) -> Lifetimes:
        """Return what the branch stored and when, for the prediction of peak bytes."""
        return Lifetimes(self.plan.schedule, self.sizes, tuple(self.sizes), self.plan.start, self.row + 1, self.dropped)

    def drop(self, step: int) -> None:
        """Forget everything before `step`: the branch is called no more, or goes on in another branch."""
        self.dropped = step
        for column in self.plan.touched:
            for born in range(self.row + 1):
                self.store.free((self.key, column, born))

    def renew(
        self,
        column: int,
        recall: Recall,
        tensors: Sequence[torch.Tensor],
        *,
        again: bool = False,
        counted: bool = False,
    ) -> None:
        """Replace a stale value by what was computed in its stead, for later readers; or add what it computed again.

        Args:
            column: the component's.
            recall: what was to be recalled.
            tensors: what it computed.
            again: whether this is one of several calls, and not the first.
            counted: whether that it computed is counted already.
        """
        key = (self.key, column, recall.born[0])
        if again:
            if key in self.store:
                self.store.add(key, tensors, copy=True)
            return
        self.executed[column] += not counted
        if recall.born[0] not in recall.dies:
            self.store.put(key, tensors, copy=True)
        self.free(column, recall)

"""A branch: one of a denoiser's calls in each step, through one pass. It holds what was learned there and makes the
steps' tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...memory import FeatureStore, Stale, Tape
from ...memory.swapping.transfer_tape import Cell
from ...model import Denoiser
from ...model.unet import Deep
from ...schedule import GUIDANCE, deep_depth, span_range
from ...schedule.liveness import Lifetimes
from ..attach.call_scope import Op
from ..program.forecast import combine, combine_one
from ..program.plan import Plan, Recall, Row
from .latents import by_sample
from .leaf import Packing, Reuse, Seen, Shapes
from .streams import Flow, Stored
from .table import table


class Branch:
    """State of one branch: which features are stored, how outputs are packed, how streams flow.

    Args:
        denoiser: the denoiser.
        plan: its plan, over the whole schedule's components.
        store: the generation's store.
        key: what distinguishes this branch's features in the store.
        signature: shape of the denoiser's input; a branch serves only calls of that shape.
        number: number of the pass.
        tape: which features leave the device when; none do if it is not given.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        plan: Plan,
        store: FeatureStore,
        key: object,
        signature: object,
        number: int = 0,
        tape: Tape | None = None,
    ) -> None:
        self.denoiser = denoiser
        self.plan = plan
        self.store = store
        self.key = key
        self.signature = signature
        self.number = number
        self.tape = tape
        self.direct = tape is None and store.coding == "none"
        """Whether features stay where they are, as they are."""
        self._played: set[Cell] = set()
        self.components = plan.schedule.tree.components
        self.ids = [component.id for component in self.components]
        self.kinds = [component.kind for component in self.components]
        self.root = self.kinds.index("denoiser")
        self.guidance = self.kinds.index(GUIDANCE) if GUIDANCE in self.kinds else None
        """Columns of the denoiser, and of what contains it where a call may be made from the step's first one."""
        self.sources = dict(plan.schedule.tree.sources)
        """Per component that only others read, these readers."""
        self.readers = {reader for readers in self.sources.values() for reader in readers}
        self.delicate = {c for c in plan.touched if self.kinds[c] == "deep" or c in self.readers}
        """Columns that are recalled only while what they stand for is there."""
        self.recalls: Mapping[int, Recall] = {}
        """What is recalled in the call at hand, by column."""
        self.tables: dict[object, dict[int, Op]] = {}
        """Tables that hold for all rows of a pattern."""
        self.stores: frozenset[int] = frozenset()
        """Columns of what is stored in the call at hand."""
        self._unread = 0
        self._addresses: dict[int, int] = {}
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
        self.observed: frozenset[int] = frozenset()
        """Components with a module in them that is observed, so that they compute in the call at hand."""
        self._observers: tuple[int, bool] = (0, False)
        self.uneven: set[int] = set()
        """Components whose output does not tell what of it belongs to which sample."""
        self.copies: set[int] = set()
        """Components whose output the host changes in place, so that they are stored as copies."""
        self.rewritten: set[int] = set()
        """Spans with a block that writes into the stream it is given, so that the stream is copied at their entry."""
        self.written: set[int] = set()
        """Blocks after which the host writes into their output."""
        self.executed = np.zeros(len(self.components), dtype=np.int64)
        self._before = self.executed
        self.calls = 0
        self.predicted: frozenset[tuple[int, ...]] = frozenset()
        """Shapes of what the denoiser returned at the branch's first call."""
        self.dropped: int | None = None
        self.row = 0
        self.open: list[Any] = []
        self.taken: list[Reuse] = []
        """Leaves that took their feature in the call at hand; their operations outlive it."""
        self._covered: dict[int, list[int]] = {}
        self._unobserved: list[torch.nn.Module] | None = None

    def begin(self, step: int) -> dict[int, Op]:
        """The table of a denoiser call at a step: which modules do something else than run, by module id."""
        self.called(step)
        row = self.plan.row(step)
        if row is None:
            self.executed += 1
            self.recalls = {}
            return {}
        self.enter(row)
        return table(self, row)

    def called(self, step: int) -> None:
        """A denoiser call begins."""
        self.calls += 1
        self.row = step - self.plan.start
        self._before = self.executed.copy()

    def made_anew(self) -> None:
        """The call at hand is made once more, and computes everything."""
        self.executed = self._before + 1
        self.stores = frozenset()
        self.open.clear()

    def enter(self, row: Row) -> None:
        """The denoiser call at hand follows a row."""
        self.executed += row.executed
        self.recalls, self.stores, self._unread = row.recalls, row.stores, row.dying

    def finish(self) -> None:
        """The denoiser call is over: close what the host left open, free what it did not come to read."""
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

    def end(self) -> None:
        """The pass is over: what was counted stays, stand-ins on the device do not."""
        self.blanks.clear()
        self.flows.clear()
        self.tables.clear()

    def put(self, column: int, tensors: Sequence[torch.Tensor], *, again: bool = False) -> None:
        """A component computed at this step: note its size and order, and store its feature if it will be read.

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
        id = self.ids[column]
        if again:
            size += self.sizes[id]
        if not self.row:
            self._looked_at(column, tensors)
            self.sizes.pop(id, None)  # called several times, it was executed at the last of them
        self.sizes[id] = size

    def _looked_at(self, column: int, tensors: Sequence[torch.Tensor]) -> None:
        """Note what a component gives that has not the batch as its first dimension, or the batch and its frames."""
        shape = self.signature[0] if isinstance(self.signature, tuple) else ()
        if not shape or not all(by_sample(t, shape) for t in tensors):
            self.uneven.add(column)

    def take(self, column: int, recall: Recall, piece: int | None = None) -> list[torch.Tensor] | None:
        """The recalled feature of a component; None if it has to be computed after all.

        That is so where the host changed it in place, or did not run the component when the schedule expected it. It is
        the host's to write into if the host is known to do so.

        Args:
            column: the component's.
            recall: what is recalled.
            piece: the one that is wanted, of a feature that is taken `apart`.
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
        """The recalled feature of one tensor, by the shortest way; None: ask `take`. It is for what is `plain`."""
        store, key, born = self.store, self.key, recall.born
        if len(born) == 1:
            return store.get_one((key, column, born[0]))
        parts = [store.get_one((key, column, step)) for step in born]
        return combine_one(parts, recall.weights)

    def apart(self, column: int, recall: Recall, pieces: int) -> bool:
        """Whether a recalled feature is taken piece by piece: it has so many, and what is handed out is made for it."""
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
        """A component was given these shapes for what is stored of it; again, if it is one of several calls."""
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
        tree = self.plan.schedule.tree
        inside = np.zeros(len(tree), dtype=bool)
        inside[column] = True
        for i, parent in enumerate(tree.parents):
            inside[i] |= parent >= 0 and inside[parent] and i not in but
        self.executed[inside] += 1

    def lost(self, row: Row) -> set[int]:
        """Columns that compute although the row says otherwise: what they stand for would need stand-ins as inputs.

        These are the deep parts and the readers whose feature is not there, or was changed in place by the host, and
        whatever these readers read.
        """
        if not self.delicate and not self.observed:
            return set()
        needy = self.delicate & row.recalls.keys()
        gone = {column for column in needy if not self._intact(column, row.recalls[column])}
        watched = self.observed & (row.recalls.keys() | row.blanks) - {self.root, self.guidance}
        for column in watched:
            self.computed_after_all(column)
        gone |= watched
        sources = {source for source in row.blanks if gone & set(self.sources[source])} - watched
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
        columns = range(len(self.components))
        self.observed = frozenset(c for c in columns if whole or any(id(m) in found for m in self._parts(c)))

    def _parts(self, column: int) -> Iterator[torch.nn.Module]:
        """All modules that do not run where a component is recalled."""
        kind = self.kinds[column]
        if kind in ("denoiser", GUIDANCE):
            inside = [self.denoiser.module]
        elif kind == "deep":
            inside = [*self.deep(column).skipped]
        else:
            inside = [self.module(c) for c in (self.covered(column) if kind == "span" else [column])]
        return (part for module in inside for part in module.modules())

    def _intact(self, column: int, recall: Recall) -> bool:
        return column in self.packing and all(self.store.intact((self.key, column, born)) for born in recall.born)

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
        """What the branch stored and when, for the prediction of peak bytes."""
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

    def covered(self, column: int) -> list[int]:
        """Columns of the blocks that a span covers, or of the block itself."""
        if column not in self._covered:
            component = self.components[column]
            first, last = span_range(component.id) if component.kind == "span" else (0, 0)
            blocks = [(i, c.block) for i, c in enumerate(self.components) if c.kind == "block" and c.block is not None]
            inside = [i for i, block in blocks if first <= block < last]
            self._covered[column] = inside if component.kind == "span" else [column]
        return self._covered[column]

    def kept(self, row: Row) -> frozenset[int]:
        """Columns whose output is looked at when it is computed: those that are stored.

        In the branch's first row, where everything computes, those of all components that will ever be stored, so that
        their order of execution is known.
        """
        return row.stores if self.row else self.plan.touched

    def unobserved(self) -> list[torch.nn.Module]:
        """Modules that will be skipped and whose output has not been seen yet."""
        if self._unobserved is None:
            self._unobserved = []
            for column in self.plan.touched:
                if self.kinds[column] == "deep":
                    self._unobserved += self.deep(column).skipped
                elif self.components[column].readers:
                    self._unobserved.append(self.module(column))
        self._unobserved = [m for m in self._unobserved if id(m) not in self.blanks]
        return self._unobserved

    def module(self, column: int) -> torch.nn.Module:
        """The module of a leaf, a block or the denoiser."""
        return self.denoiser.modules[self.components[column].id]

    def address(self, column: int) -> int:
        """The id of that module."""
        found = self._addresses.get(column)
        if found is None:
            found = self._addresses[column] = id(self.module(column))
        return found

    def deep(self, column: int) -> Deep:
        """The shape of a deep part."""
        assert self.denoiser.unet is not None
        return self.denoiser.unet.deeps[deep_depth(self.components[column].id)]

"""Operations on spans and blocks: capture what a run of blocks adds to its streams; pass the blocks by and add it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...memory import version
from ...model.outputs import pack, unpack
from ..attach.slot import Pass, Slot
from ..program.plan import Recall
from .branch_state import BranchState
from .recompute import Unfit
from .streams import Stored, argument, arguments, flow, linked, placed

Call = tuple[int, dict[str, Any], list[Any], list[int | None], Any]
"""A block's column, its arguments by name, the leaves of its output, their versions, and the output."""


class Capture:
    """Records the residual of a span (streams out - streams in) while its blocks compute.

    Blocks that hand all their streams on by identity form a *run*, which needs one residual. Where the host does
    something between two blocks (adds a control signal, rearranges), a new run begins, so that this goes on being done
    live. Where it does so by writing into a stream, that shows only afterwards: what was captured is then not stored,
    and from the next time on the run ends before the host writes.
    """

    def __init__(self, branch: BranchState, column: int, blocks: list[int]) -> None:
        self.branch = branch
        self.column = column
        self.left = len(blocks)
        self.entry: dict[str, tuple[torch.Tensor, int | None]] = {}
        self.last: Call | None = None
        self.tensors: list[torch.Tensor] = []
        self.layout: dict[int, list[Stored]] = {}
        self.entered: dict[int, Mapping[str, torch.Size]] = {}
        self.void = False
        self.closed = False

    def before(self, block: int, inputs: dict[str, Any]) -> None:
        """Note that a block of the span is called."""
        if self.last is not None:
            self._learn(linked(self.last[2], inputs))
            if self._goes_on(inputs):
                self.last = (self.last[0], {}, *self.last[2:])  # what went in is the host's to let go of
                return
            self._end_run()
        copied = self.column in self.branch.rewritten
        found = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        self.entered[block] = {name: value.shape for name, value in found.items()}
        self.entry = {name: (t.clone() if copied else t, version(t)) for name, t in found.items()}

    def after(self, block: int, inputs: dict[str, Any], output: Any) -> None:
        """Note that a block of the span has returned."""
        leaves = unpack(output)[0]
        versions = [version(leaf) if isinstance(leaf, torch.Tensor) else 0 for leaf in leaves]
        known = self.branch.linked.get(block, False)  # what went in is needed only to learn how it flows
        self.last = (block, {} if known else inputs, leaves, versions, output)
        self.left -= 1
        if self.left == 0:
            self.close()
        elif block in self.branch.written:
            self._end_run()

    def close(self) -> None:
        """End the span: store what it added."""
        if self.closed or (self.last is None and not self.layout):
            return
        if self.last is not None:
            self._learn([])
            self._end_run()
        self.closed = True
        self.branch.layouts[self.column] = self.layout
        self.branch.entered[self.column] = self.entered
        tensors, self.tensors = self.tensors, []  # what is stored is the store's, and may leave the device
        if not self.void:
            self.branch.put(self.column, tensors)

    def _learn(self, links: list[tuple[str, int]]) -> None:
        assert self.last is not None
        block, inputs, *_, output = self.last
        flows = self.branch.flows
        if block not in flows or (links and not self.branch.linked.get(block)):
            self.branch.linked[block] = bool(links)
            flows[block] = flow(inputs, output, links, next(reversed(flows.values()), None))

    def _goes_on(self, inputs: dict[str, Any]) -> bool:
        """Whether the next block takes all streams of the last one as they are."""
        assert self.last is not None
        block, _, leaves, versions, _ = self.last
        streams = self.branch.flows[block].streams
        handed = [leaf for name, leaf in streams if inputs.get(name) is leaves[leaf]]
        if any(version(leaves[leaf]) != versions[leaf] for leaf in handed):
            self.branch.written.add(block)
            self.void = True
            return False
        return bool(streams) and len(handed) == len(streams)

    def _end_run(self) -> None:
        assert self.last is not None
        block, _, leaves, *_ = self.last
        streams = {leaf: name for name, leaf in self.branch.flows[block].streams}
        slots = self.layout[block] = []
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, torch.Tensor):
                continue
            came_in, seen = self.entry.get(streams.get(i, ""), (None, 0))
            if came_in is not None and came_in.shape == leaf.shape:
                if self.column not in self.branch.rewritten and version(came_in) != seen:
                    self.branch.rewritten.add(self.column)
                    self.void = True
                slots.append(Stored(i, len(self.tensors), True))
                self.tensors.append(leaf - came_in)
            else:
                slots.append(Stored(i, len(self.tensors), False))
                self.tensors.append(leaf)
        self.entry, self.last = {}, None


class Skip:
    """A span is passed by: its blocks hand their streams on, and where a run ends its residual is added.

    From the first run on that is given other shapes than the one whose residual is stored, its blocks compute. Where
    shapes change within a run, which shows at its end, the call is made anew.
    """

    def __init__(self, branch: BranchState, column: int, recall: Recall, blocks: list[int]) -> None:
        self.branch = branch
        self.column = column
        self.recall = recall
        self.left = len(blocks)
        self.feature: list[torch.Tensor] = []
        self.computing = False
        self.passed: list[int] = []

    def run(self, block: int, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of one of the blocks; a block that was never seen computing computes."""
        branch = self.branch
        passing = branch.flows.get(block)
        if passing is None:
            return original(module, *args, **kwargs)
        if self.computing or not self._ready() or not self._fits(block, module, args, kwargs):
            if not self.computing:
                self.computing, self.feature = True, []
                branch.computed_after_all(self.column, but=self.passed)
            return original(module, *args, **kwargs)
        self.passed.append(block)
        leaves = list(passing.template)
        for name, leaf in passing.streams:
            leaves[leaf] = argument(module, name, args, kwargs)
        for slot in branch.layouts[self.column].get(block, ()):
            tensor = self.feature[slot.stored]
            if slot.residual and leaves[slot.leaf].shape != tensor.shape:
                raise Unfit
            leaves[slot.leaf] = leaves[slot.leaf] + tensor if slot.residual else tensor
        self._passed()
        return pack(leaves, passing.spec)

    def _fits(self, block: int, module: Any, args: Any, kwargs: Any) -> bool:
        """Whether a run that begins with a block is given the shapes of the one whose residual is stored."""
        known = self.branch.entered.get(self.column, {}).get(block)
        if known is None:
            return True
        given = arguments(module, args, kwargs).items()
        return bool(known == {name: value.shape for name, value in given if isinstance(value, torch.Tensor)})

    def _passed(self) -> None:
        """One of the blocks was passed by."""
        self.left -= 1
        if self.left == 0:
            self.feature = []
            self.branch.free(self.column, self.recall)

    def slot(self, block: int, module: Any) -> Slot | None:
        """Return a slot that does the same for a block within a compiled region, if it returns a tensor or a tuple."""
        passing = self.branch.flows.get(block)
        if passing is None or not self._ready():
            return None
        if passing.spec is not None and type(pack(list(passing.template), passing.spec)) is not tuple:
            return None
        slots = self.branch.layouts[self.column].get(block, ())
        return Pass(
            passing.template,
            passing.spec is None,
            tuple((leaf, name, placed(module, name)) for name, leaf in passing.streams),
            tuple((slot.leaf, self.feature[slot.stored], slot.residual) for slot in slots),
            self._passed,
        )

    def _ready(self) -> bool:
        if not self.feature and self.column in self.branch.layouts:
            self.feature = self.branch.take(self.column, self.recall) or []
        return bool(self.feature)


class BlockOp:
    """What happens at the call of one block: spans that it lies in capture it; it, or one of them, may be passed by."""

    __slots__ = ("block", "captures", "skip")

    def __init__(self, block: int) -> None:
        self.block = block
        self.captures: list[Capture] = []
        self.skip: Skip | None = None

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        inputs = arguments(module, args, kwargs) if self.captures else {}
        for capture in self.captures:
            capture.before(self.block, inputs)
        if self.skip is not None:
            output = self.skip.run(self.block, original, module, args, kwargs)
        else:
            output = original(module, *args, **kwargs)
        for capture in reversed(self.captures):  # the innermost first: what is passed by was read before it ends
            capture.after(self.block, inputs, output)
        return output

    def slot(self, module: Any) -> Slot | None:
        """Return a slot that does the same within a compiled region, if the block is passed by."""
        return None if self.skip is None or self.captures else self.skip.slot(self.block, module)

"""Components: the cacheable parts of a denoiser, and the tree that they form by containment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..display import Displayed
from ..errors import ScheduleError

LEAF_KINDS = ("attention", "cross_attention", "feed_forward", "projection", "resnet", "motion")
"""Kinds whose reuse returns the last output. The other kinds contain components."""

GUIDANCE = "guidance"
"""The calls of a denoiser that follow its first one in a step, or the other half of a batch that guidance doubled.

Its feature is what their output differs by from that of the first call (FasterCache, arXiv 2410.19355, section 3.3).
"""

KINDS = ("denoiser", GUIDANCE, "span", "deep", "block", *LEAF_KINDS)
"""All kinds: `span` is a run of consecutive blocks, `deep` the part of a U-Net below one skip connection."""


@dataclass(frozen=True)
class Component:
    """A cacheable part of a denoiser.

    Attributes:
        id: unique name: the denoiser's name in the pipeline, `/`, the module's path in the denoiser
            (`transformer/transformer_blocks.3.attn1`), a run of blocks (`transformer/blocks[0:28]`), the part of a
            U-Net that lies below a skip connection (`unet/deep[0]`) or the calls that guidance adds
            (`transformer/guidance`).
        kind: one of `KINDS`.
        block: index of the block it lies in, counted over the denoiser; None above blocks.
        parent: id of the smallest component that contains it; None for a denoiser.
        readers: ids of the components that alone read its output. Where none of them computes, it is dead code.
    """

    id: str
    kind: str
    block: int | None = None
    parent: str | None = None
    readers: tuple[str, ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Whether reuse returns the last output (a leaf), rather than adding the last residual."""
        return self.kind in LEAF_KINDS

    @property
    def denoiser(self) -> str:
        """Name of the denoiser that it belongs to."""
        return self.id.split("/", 1)[0]


@dataclass(frozen=True)
class Tree(Displayed):
    """Components, parents before children, with the indices that schedules compute with.

    `levels` are the component indices in the order in which it can be decided what they do: each level comes after
    the parents and the readers of its members.

    Raises:
        ScheduleError: for duplicate ids, unknown kinds, parents or readers, a child before its parent, or a
            component that is, through others, its own reader.
    """

    components: tuple[Component, ...]
    index: Mapping[str, int] = field(init=False, repr=False, compare=False)
    parents: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    levels: tuple[npt.NDArray[np.intp], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, int] = {}
        parents = np.full(len(self.components), -1, dtype=np.intp)
        for i, component in enumerate(self.components):
            if component.id in index:
                raise ScheduleError(f"component {component.id!r} twice", "unique ids", "remove one of the two")
            if component.kind not in KINDS:
                raise ScheduleError(f"kind {component.kind!r}", f"one of {', '.join(KINDS)}", "correct the kind")
            if component.parent is not None:
                if component.parent not in index:
                    raise ScheduleError(
                        f"parent {component.parent!r} of {component.id!r}",
                        "a component that comes earlier in the list",
                        "list parents before their children",
                    )
                parents[i] = index[component.parent]
            index[component.id] = i
        for component in self.components:
            for reader in component.readers:
                if reader not in index:
                    raise ScheduleError(f"reader {reader!r} of {component.id!r}", "a listed component", "list it")
        parents.flags.writeable = False
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "parents", parents)
        object.__setattr__(self, "levels", self._sorted())

    def __reduce__(self) -> tuple[type[Tree], tuple[tuple[Component, ...]]]:
        return Tree, (self.components,)  # the indices follow from the components, and come back read-only

    def _sorted(self) -> tuple[npt.NDArray[np.intp], ...]:
        readers = dict(self.sources)
        waits = [{*readers.get(i, ()), *([int(p)] if p >= 0 else [])} for i, p in enumerate(self.parents)]
        heard: list[list[int]] = [[] for _ in waits]
        for i, others in enumerate(waits):
            for other in others:
                heard[other].append(i)
        level = [i for i, others in enumerate(waits) if not others]
        levels = []
        while level:
            levels.append(np.array(sorted(level), dtype=np.intp))
            for i in level:
                for j in heard[i]:
                    waits[j].discard(i)
            level = [j for j in {j for i in level for j in heard[i]} if not waits[j]]
        if any(waits):
            name = self.components[next(i for i, others in enumerate(waits) if others)].id
            raise ScheduleError(f"{name} is read by itself", "readers that depend on nothing they read", "correct them")
        return tuple(levels)

    def __len__(self) -> int:
        return len(self.components)

    def __str__(self) -> str:
        from .tree_table import render_tree

        return render_tree(self)

    def __iter__(self) -> Iterator[Component]:
        return iter(self.components)

    @cached_property
    def sources(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Pairs (component, its only readers), as indices."""
        return tuple((i, tuple(self.index[r] for r in c.readers)) for i, c in enumerate(self.components) if c.readers)

    @cached_property
    def readers(self) -> Mapping[int, tuple[int, ...]]:
        """The only readers of each component that has such, as indices."""
        return dict(self.sources)

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """Indices of the leaves that contain no other component (a motion module contains attention layers)."""
        parents = {int(p) for p in self.parents}
        return tuple(i for i, c in enumerate(self.components) if c.is_leaf and i not in parents)

    @cached_property
    def guides(self) -> tuple[int, ...]:
        """Indices of what is said of guidance beside what a step's first call does (and not of its other calls)."""
        return tuple(i for i, c in enumerate(self.components) if c.kind == GUIDANCE and c.parent is not None)

    @cached_property
    def structure(self) -> str:
        """Hash of what belongs to the model itself: leaves and blocks, not the spans drawn over them, nor guidance."""
        drawn = ("span", "deep", GUIDANCE)
        text = "\n".join(f"{c.id} {c.kind}" for c in self.components if c.kind not in drawn)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def of_kind(self, *kinds: str) -> list[Component]:
        """Return the components of the kinds named, in order."""
        return [c for c in self.components if c.kind in kinds]

    def children(self, id: str) -> list[Component]:
        """Direct children of a component."""
        return [c for c in self.components if c.parent == id]

    def with_span(self, denoiser: str, first: int, last: int) -> Tree:
        """Return the tree with one more span over blocks `first` (included) to `last` (excluded) of a denoiser.

        Raises:
            ScheduleError: if the blocks do not exist, or the span would cut through an existing span.
        """
        name = span_id(denoiser, first, last)
        if name in self.index:
            return self
        blocks = [c for c in self.of_kind("block") if c.denoiser == denoiser and c.block is not None]
        inside = {c.id for c in blocks if first <= (c.block or 0) < last}
        if not 0 <= first < last <= len(blocks):
            raise ScheduleError(f"span {name}", f"blocks in 0..{len(blocks)}", "choose a span within the model")
        covers = {c.id: span_range(c.id) for c in self.of_kind("span") if c.denoiser == denoiser}
        for other, (a, b) in covers.items():
            if (a < first < b < last) or (first < a < last < b):
                raise ScheduleError(f"span {name} across {other}", "spans that nest", "choose nested or disjoint spans")
        inner = {other for other, (a, b) in covers.items() if first <= a and b <= last}
        moved = {c.id for c in self.components if c.id in inner or c.id in inside}
        top = [c for c in self.components if c.id in moved and c.parent not in moved]
        if len({c.parent for c in top}) > 1:
            raise ScheduleError(f"span {name}", "blocks that lie side by side", "choose blocks of one stack")
        span = Component(name, "span", None, top[0].parent)
        out: list[Component] = []
        for c in self.components:
            if c.id == top[0].id:
                out.append(span)
            out.append(Component(c.id, c.kind, c.block, name, c.readers) if c in top else c)
        return Tree(tuple(out))

    def with_guidance(self, denoiser: str) -> Tree:
        """Return the tree in which it can be said when the calls that guidance adds to a denoiser are computed.

        Raises:
            ScheduleError: if there is no such denoiser.
        """
        name = guidance_id(denoiser)
        if name in self.index:
            return self
        known = [c.id for c in self.of_kind("denoiser")]
        if denoiser not in known:
            raise ScheduleError(f"guidance of {denoiser!r}", f"one of {', '.join(known)}", "name a denoiser")
        guidance = Component(name, GUIDANCE, None, denoiser)
        return Tree(tuple(part for c in self for part in ((c, guidance) if c.id == denoiser else (c,))))


def guidance_id(denoiser: str) -> str:
    """Return the id of the calls that guidance adds to a denoiser."""
    return f"{denoiser}/{GUIDANCE}"


def span_id(denoiser: str, first: int, last: int) -> str:
    """Return the id of the span over blocks `first` (included) to `last` (excluded)."""
    return f"{denoiser}/blocks[{first}:{last}]"


def span_range(id: str) -> tuple[int, int]:
    """Return the first and last (excluded) block of a span id, the inverse of `span_id`.

    Raises:
        ScheduleError: if the id is not a span's.
    """
    try:
        first, last = id.split("/blocks[", 1)[1].removesuffix("]").split(":")
        return int(first), int(last)
    except (IndexError, ValueError):
        raise ScheduleError(f"span id {id!r}", "an id like transformer/blocks[0:28]", "correct the id") from None


def deep_id(denoiser: str, depth: int) -> str:
    """Return the id of the part of a U-Net below skip connection `depth` (0 is the shallowest)."""
    return f"{denoiser}/deep[{depth}]"


def deep_depth(id: str) -> int:
    """Return the depth in a deep id, the inverse of `deep_id`.

    Raises:
        ScheduleError: if the id is not one of a deep part.
    """
    try:
        return int(id.split("/deep[", 1)[1].removesuffix("]"))
    except (IndexError, ValueError):
        raise ScheduleError(f"deep id {id!r}", "an id like unet/deep[0]", "correct the id") from None

"""What a gate is: a method that decides while the pipeline runs, and whose decisions are recorded as a schedule."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from ...errors import PolicyError
from ...schedule import Component, Tree, deep_id, span_id, span_range
from .caching_method import CachingMethod
from .rule import Rule


@dataclass(frozen=True)
class Governed:
    """What a gate decides about in one denoiser.

    Attributes:
        part: id of what is computed or passed by: a run of blocks, or the part of a U-Net below a skip connection.
        entry: id of the denoiser's first block; None in a U-Net, whose stages are no components.
        leaf: id of the first attention layer of that block, or of its first layer of any kind; None if it has none,
            and in a U-Net.
    """

    part: str
    entry: str | None = None
    leaf: str | None = None


@dataclass(frozen=True)
class Gate(CachingMethod):
    """A gate: at each step the blocks that it governs are computed, or the residual that they added last is added.

    In a U-Net it governs what lies below a skip connection, of which the tensor that leaves it is reused (DeepCache,
    arXiv 2312.00858). Skip connection k leaves after k layers of the way down, so that the head blocks are the first k
    layers, and k + 1 of the way up are computed with them.

    What it looks at, and when:

    - `residual`: what the head blocks add to the main stream, against what they added at the last computed step;
    - `modulated`: what the first attention layer of the first block is given, in a U-Net the second convolution of its
      first residual block, against the step before;
    - `transformed`: what enters the governed part, against the step before, times how fast its output followed its
      input between the last two computed steps, relative to the last output.

    Class attributes: `signal`, one of these; those of all methods.
    """

    signal: ClassVar[str]

    @property
    def head(self) -> int:
        """Blocks at the beginning of the stack that are always computed."""
        return 1

    @property
    def tail(self) -> int:
        """Blocks at its end that are always computed."""
        return 0

    @property
    def depth(self) -> int | None:
        """Number of the skip connection below which a U-Net is governed; None if a U-Net is not to be.

        As many layers at its end are computed as its skip connections ask for: a tail of another length has no meaning.
        """
        return None if self.tail else self.head

    @property
    def forecasts(self) -> int:
        """Order of the forecast of the residual; 0 reuses it."""
        return 0

    @abstractmethod
    def rule(self, steps: int) -> Rule:
        """Return the rule for one pass of a denoiser."""

    def governed(self, tree: Tree) -> tuple[Tree, dict[str, Governed]]:
        """Return the tree with the spans that are governed, and what is governed in each denoiser; others compute.

        Raises:
            PolicyError: if no denoiser has a stack of blocks, or skip connections, that are deep enough.
        """
        found: dict[str, Governed] = {}
        for root in tree.of_kind("denoiser"):
            stack = next((c for c in tree.of_kind("span") if c.parent == root.id), None)
            blocks = span_range(stack.id)[1] if stack else 0
            if blocks > self.head + self.tail:
                first, last = self.head, blocks - self.tail
                tree = tree.with_span(root.id, first, last)
                found[root.id] = Governed(span_id(root.id, first, last), *_entry(tree, root.id))
            elif self.depth is not None and deep_id(root.id, self.depth) in tree.index:
                found[root.id] = Governed(deep_id(root.id, self.depth))
        if not found:
            raise self._nothing_to_govern(tree)
        return tree, found

    def _nothing_to_govern(self, tree: Tree) -> PolicyError:
        """The error for a model without a part that is deep enough."""
        stack = f"a stack of more than {self.head + self.tail} blocks"
        if self.depth is not None:
            stack += f", or a U-Net with more than {self.depth} skip connections"
        elif tree.of_kind("deep"):
            stack += "; how many last layers of a U-Net are computed is said by its skip connections"
        return self.refuse(tree, stack, 'use "deepcache:N" for a U-Net, "fora:N" or "steps:..." for others')

    def needs_generation(self) -> PolicyError:
        """Return the error where a schedule has to be known before the generation."""
        return PolicyError(
            f"{self.spec} where a schedule has to be known beforehand",
            "a policy that does not decide while the pipeline runs",
            "apply it without a memory budget, generate, and use handle.recorded",
        )


def _entry(tree: Tree, denoiser: str) -> tuple[str, str | None]:
    """Ids of a denoiser's first block and of the layer in it that is looked at."""
    block = next(c for c in tree.of_kind("block") if c.denoiser == denoiser and c.block == 0)
    inside: list[Component] = [c for c in tree.components if c.parent == block.id]
    ranked = sorted(inside, key=lambda c: c.kind != "attention")  # stable: the first of its kind
    return block.id, ranked[0].id if ranked else None

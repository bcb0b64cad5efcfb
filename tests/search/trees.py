"""Component trees for tests of the search."""

from __future__ import annotations

from evocache.schedule import Component, Tree


def stack(blocks: int = 4) -> Tree:
    """A denoiser with one span of blocks of three leaves each."""
    span = f"t/blocks[0:{blocks}]"
    components = [Component("t", "denoiser"), Component(span, "span", None, "t")]
    for i in range(blocks):
        components.append(Component(f"t/b.{i}", "block", i, span))
        for name, kind in (("a", "attention"), ("c", "cross_attention"), ("f", "feed_forward")):
            components.append(Component(f"t/b.{i}.{name}", kind, i, f"t/b.{i}"))
    return Tree(tuple(components))

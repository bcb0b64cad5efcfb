"""Random small trees and grids, and hand-made trees with names that read well."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from evocache.schedule import Component, Schedule, Tree

MODEST = settings(max_examples=30, deadline=None)

GAINS = (-1.0, -0.0, 0.0, 0.5, 1.0, 1.5)


def dit(blocks: int = 2, leaves: tuple[str, ...] = ("attn1", "ff"), denoiser: str = "transformer") -> Tree:
    """A denoiser of equal blocks, without spans."""
    kinds = {"attn1": "attention", "attn2": "cross_attention", "ff": "feed_forward"}
    out = [Component(denoiser, "denoiser")]
    for b in range(blocks):
        block = f"{denoiser}/blocks.{b}"
        out.append(Component(block, "block", b, denoiser))
        out += [Component(f"{block}.{leaf}", kinds[leaf], b, block) for leaf in leaves]
    return Tree(tuple(out))


def single(readers_first: bool = False) -> Tree:
    """One block as in FLUX: attention and MLP are read by the output projection alone."""
    block = "transformer/single.0"
    out = [
        Component(f"{block}.attn", "attention", 0, block, (f"{block}.proj_out",)),
        Component(f"{block}.proj_mlp", "feed_forward", 0, block, (f"{block}.proj_out",)),
        Component(f"{block}.proj_out", "projection", 0, block),
    ]
    head = [Component("transformer", "denoiser"), Component(block, "block", 0, "transformer")]
    return Tree((*head, *(reversed(out) if readers_first else out)))


def grid(tree: Tree, *columns: str) -> np.ndarray:
    """Orders from a string of letters for each component, in the codec's letters."""
    order = {"C": -1, "R": 0, "1": 1, "2": 2, "3": 3}
    assert len(columns) == len(tree)
    return np.array([[order[letter] for letter in column] for column in columns], dtype=np.int8).T


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees of one or two denoisers, with spans, and with components that only others read."""
    out: list[Component] = []
    spans: list[tuple[str, int, int]] = []
    for d in range(draw(st.integers(1, 2))):
        name, blocks = f"net{d}", draw(st.integers(1, 3))
        out.append(Component(name, "denoiser"))
        leaves = [f"{name}/b.{b}.{leaf}" for b in range(blocks) for leaf in range(draw(st.integers(0, 3)))]
        ranked = draw(st.permutations(leaves))
        for b in range(blocks):
            later = [f"{name}/b.{i}" for i in range(b + 1, blocks)]
            readers = draw(st.lists(st.sampled_from(later), max_size=1)) if later else []
            out.append(Component(f"{name}/b.{b}", "block", b, name, tuple(readers)))
            for leaf in (x for x in leaves if x.startswith(f"{name}/b.{b}.")):
                lower = [x for x in ranked[: ranked.index(leaf)] if x.startswith(f"{name}/b.{b}.")]
                readers = draw(st.lists(st.sampled_from(lower), max_size=2, unique=True)) if lower else []
                out.append(Component(leaf, "attention", b, f"{name}/b.{b}", tuple(readers)))
        first = draw(st.integers(0, blocks - 1))
        spans.append((name, first, draw(st.integers(first + 1, blocks))))
    tree = Tree(tuple(out))
    for span in spans[: draw(st.integers(0, 2))]:
        tree = tree.with_span(*span)
    return tree


@st.composite
def wishes(draw: st.DrawFn, tree: Tree | None = None, steps: int | None = None) -> tuple[Tree, np.ndarray, np.ndarray]:
    """A tree with any orders and gains, legal or not."""
    tree = tree or draw(trees())
    rows = steps or draw(st.integers(1, 7))
    cell = st.sampled_from((-1, -1, 0, 0, 1, 2, 3))
    orders = draw(st.lists(cell, min_size=rows * len(tree), max_size=rows * len(tree)))
    gains = draw(st.lists(st.sampled_from(GAINS), min_size=rows * len(tree), max_size=rows * len(tree)))
    shape = (rows, len(tree))
    return tree, np.array(orders, dtype=np.int8).reshape(shape), np.array(gains).reshape(shape)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule."""
    return Schedule.repaired(*draw(wishes()))

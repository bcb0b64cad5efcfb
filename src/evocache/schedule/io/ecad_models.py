"""The models that ECAD (arXiv 2506.15682) has schedules for, and what its files call their components."""

from __future__ import annotations

from typing import NamedTuple

from ..component import Component, Tree, span_id

ROOT = "transformer"


class Part(NamedTuple):
    """A component of a block: its name in the files, its path in the block, its kind, its only reader."""

    name: str
    path: str
    kind: str
    reader: str = ""


class Stack(NamedTuple):
    """A stack of equal blocks: the prefix of its block keys, its path in the denoiser, the parts of a block.

    Parts stand in the order in which discovery finds them, so that a schedule fits the pipeline.
    """

    prefix: str
    path: str
    parts: tuple[Part, ...]


class Family(NamedTuple):
    """A model that ECAD has schedules for: the denoiser's class and its stacks, in order of execution."""

    model: str
    stacks: tuple[Stack, ...]


PIXART = Family(
    "PixArtTransformer2DModel",
    (
        Stack(
            "",
            "transformer_blocks",
            (
                Part("attn1", "attn1", "attention"),
                Part("attn2", "attn2", "cross_attention"),
                Part("ff", "ff", "feed_forward"),
            ),
        ),
    ),
)

FLUX = Family(
    "FluxTransformer2DModel",
    (
        Stack(
            "",
            "transformer_blocks",
            (
                Part("full_attn", "attn", "attention"),
                Part("full_ff", "ff", "feed_forward"),
                Part("full_ff_context", "ff_context", "feed_forward"),
            ),
        ),
        Stack(
            "single_",
            "single_transformer_blocks",
            (
                Part("single_proj_mlp", "proj_mlp", "feed_forward", "proj_out"),
                Part("single_proj_out", "proj_out", "projection"),
                Part("single_attn", "attn", "attention", "proj_out"),
            ),
        ),
    ),
)

FAMILIES = (PIXART, FLUX)


def build_tree(family: Family, *counts: int) -> Tree:
    """Return the components of a model with so many blocks in each of its stacks."""
    total = sum(counts)
    span = span_id(ROOT, 0, total)
    out = [Component(ROOT, "denoiser"), Component(span, "span", None, ROOT)]
    for count, stack in zip(counts, family.stacks, strict=True):
        first = sum(c.kind == "block" for c in out)
        for i in range(count):
            block = f"{ROOT}/{stack.path}.{i}"
            out.append(Component(block, "block", first + i, span))
            for part in stack.parts:
                readers = (f"{block}.{part.reader}",) if part.reader else ()
                out.append(Component(f"{block}.{part.path}", part.kind, first + i, block, readers))
    return Tree(tuple(out))

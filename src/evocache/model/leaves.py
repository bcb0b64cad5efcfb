"""The leaves of a block: its attention layers, feed-forward networks and bare projections."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from torch import nn

from .kinds import find_linear, has_attention, is_attention, is_cross_attention, is_feed_forward, is_modulation


class Leaf(NamedTuple):
    """A cacheable leaf: its path below the block, its kind, the paths of its only readers, and the module."""

    path: str
    kind: str
    readers: tuple[str, ...]
    module: nn.Module


def find_leaves(block: nn.Module) -> list[Leaf]:
    """Return the leaves of a block, in order of definition; a block that only tells the stream the time has none."""
    if is_modulation("", block) and not has_attention(block):
        return []
    found: list[Leaf] = []
    for path, module in _walk(block, ""):
        if is_attention(module):
            found.append(Leaf(path, "cross_attention" if is_cross_attention(path, module) else "attention", (), module))
        elif (layer := find_linear(module)) is not None:
            wider = layer.out_features > layer.in_features
            found.append(Leaf(path, "feed_forward" if wider else "projection", (), module))
        else:
            found.append(Leaf(path, "feed_forward", (), module))
    return [leaf._replace(readers=_readers(leaf, found)) for leaf in found]


def find_loose_leaves(module: nn.Module, blocks: Collection[nn.Module], prefix: str = "") -> Iterator[Leaf]:
    """Return the leaves that lie in none of a module's blocks: in lists of attention layers applied between them."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if is_attention(child) or child in blocks:
            continue
        if isinstance(child, nn.ModuleList) and has_attention(child) and not any(m in blocks for m in child.modules()):
            yield from (leaf._replace(path=f"{path}.{leaf.path}", readers=()) for leaf in find_leaves(child))
        else:
            yield from find_loose_leaves(child, blocks, f"{path}.")


def _walk(module: nn.Module, prefix: str) -> list[tuple[str, nn.Module]]:
    out: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if (
            is_attention(child)
            or (find_linear(child) is not None and not is_modulation(name, child))
            or is_feed_forward(name, child)
        ):
            out.append((path, child))
        elif has_attention(child):
            out += _walk(child, f"{path}.")
    return out


def _readers(leaf: Leaf, all_leaves: list[Leaf]) -> tuple[str, ...]:
    """In a single-stream block one projection reads the attention and the widened tokens, side by side, and alone.

    It is recognised by its width: it takes as many channels as the widening projection gives plus those that it
    returns itself, which are the attention's (FLUX: 15360 = 12288 + 3072).
    """
    layers = [(other, layer) for other in all_leaves if (layer := find_linear(other.module)) is not None]
    for out, reading in layers:
        for up, widening in layers:
            if out is up or reading.in_features != widening.out_features + reading.out_features:
                continue
            if leaf is up or (is_attention(leaf.module) and leaf is not out):
                return (out.path,)
    return ()

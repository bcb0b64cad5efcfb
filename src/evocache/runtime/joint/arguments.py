"""One call's arguments from those of several: rows after rows, and what is the same for all once.

Which arguments have a row for each sample cannot be told from their shapes alone: a table of positions may be as long
as a batch, a timestep may be one number for all rows. So `readings` names the ways in which they may be read, the
likeliest first, and what is chosen is proved (`runtime.joint.proof`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch

from ..ops.stored_output import packed, repacked
from .flat import Flat, Leaf
from .lane import Lane

POSITIONS = ("rotary", "rope", "freqs", "position", "img_ids", "txt_ids")
"""Words in the names of arguments that as a rule are the same for all samples."""


class Rows(NamedTuple):
    """An argument with so many entries for each row of the batch.

    Attributes:
        times: entries a row: 1, or the frames of a video.
    """

    times: int


class Same(NamedTuple):
    """An argument that is the same for all."""


class Spread(NamedTuple):
    """One number for all rows of a call, of which there is one for each row of several calls."""


Role = Rows | Same | Spread

Reading = tuple[Role, ...]
"""The roles of the leaves of a call's arguments."""


def kind_of(lane: Lane, given: Flat) -> object:
    """Return what calls have in common that may be computed together, but for the number of their rows."""
    return id(lane.module), given.names, given.places, tuple(map(_kind, given.leaves))


_BY_VALUE = frozenset((type(None), bool, int, float, str, torch.dtype))
"""Types of arguments that are of one kind where they are equal."""


def _kind(leaf: Leaf) -> object:
    if type(leaf) in _BY_VALUE:
        return type(leaf), leaf
    if isinstance(leaf, torch.Tensor):
        shape = leaf.shape
        return leaf.dtype, leaf.device, len(shape) > 0, shape[1:], leaf.layout
    if isinstance(leaf, list):
        return list, tuple(_kind(entry) if isinstance(entry, torch.Tensor) else type(entry) for entry in leaf[:1])
    if isinstance(leaf, torch.Generator):
        return type(leaf), leaf.device
    return type(leaf), leaf if isinstance(leaf, (int, float, str, bool, torch.dtype)) else id(leaf)


def readings(lanes: Sequence[Lane], given: Sequence[Flat]) -> Iterator[Reading]:
    """Yield the ways in which the arguments of some calls of a kind may be read, the likeliest first; none may fit."""
    rows = [lane.rows for lane in lanes]
    options = [
        list(_options(place, leaves, rows))
        for place, leaves in zip(given[0].places, zip(*(each.leaves for each in given), strict=True), strict=True)
    ]
    if not all(options):
        return
    by_row, alike = ([_preferring(kind, option) for option in options] for kind in (Rows, Same))
    yield from dict.fromkeys([tuple(option[0] for option in options), tuple(by_row), tuple(alike)])


def _preferring(kind: type, options: Sequence[Role]) -> Role:
    return next((role for role in options if isinstance(role, kind)), options[0])


def _options(place: str, leaves: Sequence[Leaf], rows: Sequence[int]) -> Iterator[Role]:
    """The roles that an argument may have, the likeliest first."""
    one = leaves[0]
    if isinstance(one, list):
        yield Rows(1)
        if not isinstance(one[0], torch.Tensor) and fits(Same(), leaves, rows):
            yield Same()
        return
    if not isinstance(one, torch.Tensor):
        yield Same()
        return
    if one.ndim == 0 or (one.shape == (1,) and rows != [1] * len(rows)):
        yield Spread()
        if fits(Same(), leaves, rows):
            yield Same()
        return
    times = one.shape[0] // rows[0]
    by_row = [Rows(times)] if times and fits(Rows(times), leaves, rows) else []
    alike: list[Role] = [Same()] if fits(Same(), leaves, rows) else []
    tables = times > 1 or any(word in place.lower() for word in POSITIONS)
    yield from [*alike, *by_row] if tables else [*by_row, *alike]


def fits(role: Role, leaves: Sequence[Leaf], rows: Sequence[int]) -> bool:
    """Return whether an argument of several calls may have a role."""
    if isinstance(role, Rows):
        return all(len(leaf) == role.times * count for leaf, count in zip(leaves, rows, strict=True))
    if isinstance(role, Spread):
        return all(leaf.numel() == 1 for leaf in leaves)
    return all(same(one, other) for one, other in pairwise(leaves))


def same(one: Leaf, other: Leaf) -> bool:
    """Return whether two arguments are the same, to the value; generators are, since kinds that draw do not meet."""
    if one is other or (isinstance(one, torch.Generator) and isinstance(other, torch.Generator)):
        return True
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)


def join(
    lanes: Sequence[Lane], given: Sequence[Flat], reading: Reading, padding: int = 0
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return the arguments of several calls as those of one; None if a call does not fit the reading after all.

    Args:
        lanes: the calls.
        given: their arguments.
        reading: the roles of these.
        padding: further rows, which are copies of the first one.
    """
    rows = [lane.rows for lane in lanes]
    leaves = []
    for role, values in zip(reading, zip(*(each.leaves for each in given), strict=True), strict=True):
        if not fits(role, values, rows):
            return None
        if padding:
            leaves.append(_joined(role, [*values, _copies(role, values[0], padding)], [*rows, padding]))
        else:
            leaves.append(_joined(role, values, rows))
    return given[0].nested(leaves)


def _joined(role: Role, values: Sequence[Leaf], rows: Sequence[int]) -> Leaf:
    if isinstance(role, Same):
        return values[0]
    if isinstance(role, Spread):
        return torch.cat([value.reshape(1).expand(count) for value, count in zip(values, rows, strict=True)])
    if isinstance(values[0], list):
        return [entry for value in values for entry in value]
    return torch.cat(tuple(values))


def _copies(role: Role, value: Leaf, count: int) -> Leaf:
    """The first row of an argument, so many times."""
    if not isinstance(role, Rows):
        return value
    if isinstance(value, list):
        return value[:1] * count
    return value[: role.times].repeat(count, *[1] * (value.ndim - 1))


def split_rows(output: Any, rows: Sequence[int], padding: int = 0) -> list[Any]:
    """Return each call's part of what the joint call returned, in memory of its own.

    Args:
        output: what it returned.
        rows: of the calls.
        padding: rows at the end that are nobody's.

    Raises:
        ValueError: if a tensor in it has not the batch as its first dimension.
    """
    lists = _list_rows(output, rows, padding)
    if lists is not None:
        return lists
    wholes, packing = packed(output)
    total, each = sum(rows) + padding, []
    for whole in wholes:
        times, rest = divmod(len(whole) if whole.ndim else 0, total)
        if rest or not times:
            raise ValueError("an output without rows")
        parts = torch.split(whole, [count * times for count in (*rows, padding)])
        each.append([part.clone() for part in parts[: len(rows)]])
    return [repacked([parts[at] for parts in each], packing) for at in range(len(rows))]


def _list_rows(output: Any, rows: Sequence[int], padding: int) -> list[Any] | None:
    """The parts of an output that is a list of samples, bare or within a tuple of one."""
    bare = output[0] if isinstance(output, tuple) and len(output) == 1 else output
    if not isinstance(bare, list) or len(bare) != sum(rows) + padding:
        return None
    ends = [sum(rows[: i + 1]) for i in range(len(rows))]
    parts = [bare[end - count : end] for end, count in zip(ends, rows, strict=True)]
    return [(part,) for part in parts] if isinstance(output, tuple) else list(parts)

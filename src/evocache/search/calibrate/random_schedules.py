"""Random schedules over the whole range of cost, to fit and to check a latency model on. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ...schedule import COMPUTE, REUSE, Schedule, Tree

Grid = npt.NDArray[np.int8]
Rng = np.random.Generator


def draw_schedules(tree: Tree, steps: int, count: int, seed: int = 0, least: int | None = None) -> list[Schedule]:
    """Draw schedules that skip whole containers, kinds of leaves, single leaves, denoisers, or mixtures, in turn.

    The shares of steps that they compute spread over 15 to 85 %. The same seed gives the same schedules.

    Args:
        tree: the components.
        steps: number of steps.
        count: of schedules.
        seed: of all randomness.
        least: if given, one of every two has fewer steps, which spread from this number up.
    """
    rng = np.random.default_rng(seed)
    shares = rng.permutation(np.linspace(0.15, 0.85, count))
    styles = [
        style for style in (_containers, _kinds, _mixed, _leaves, _denoisers) if style(tree, _blank(tree), 1, rng)
    ]
    counts = _counts(steps, count, seed, least)
    out = []
    for number, share in enumerate(shares):
        orders = np.tile(_blank(tree), (counts[number], 1))
        styles[number % len(styles)](tree, orders, float(share), rng)
        out.append(Schedule.repaired(tree, orders).with_provenance(f"random {seed}.{number}"))
    return out


def _counts(steps: int, count: int, seed: int, least: int | None) -> list[int]:
    """Numbers of steps of the schedules; drawn apart from all else, which does not depend on whether they vary."""
    out = [steps] * count
    if least is not None:
        rng = np.random.default_rng([seed, 1])
        for pair, fewer in enumerate(rng.permutation(np.linspace(least, steps, count // 2, endpoint=False))):
            out[2 * pair + int(rng.integers(2))] = round(float(fewer))
    return out


Style = Callable[[Tree, Grid, float, Rng], bool]
"""Skips cells of a grid, leaving a share of its steps; whether the tree has what it acts on."""


def _blank(tree: Tree) -> Grid:
    return np.full((1, len(tree)), COMPUTE.order, dtype=np.int8)


def _skip(orders: Grid, columns: list[int], share: float, rng: Rng) -> bool:
    """Skip columns together at random steps, by reuse or by forecasts of one order."""
    skipped = np.flatnonzero(rng.random(len(orders)) > share)
    orders[np.ix_(skipped, np.array(columns, dtype=np.intp))] = rng.choice([REUSE.order, REUSE.order, 1, 2])
    return bool(columns)


def _containers(tree: Tree, orders: Grid, share: float, rng: Rng) -> bool:
    columns = [i for i, c in enumerate(tree) if c.kind in ("span", "deep")]
    columns = columns or [i for i, c in enumerate(tree) if c.kind == "block"]
    chosen = [int(rng.choice(columns))] if columns and tree.components[columns[0]].kind == "deep" else columns
    return _skip(orders, chosen, share, rng)


def _denoisers(tree: Tree, orders: Grid, share: float, rng: Rng) -> bool:
    return _skip(orders, [i for i, c in enumerate(tree) if c.kind == "denoiser"], share, rng)


def _kinds(tree: Tree, orders: Grid, share: float, rng: Rng) -> bool:
    """Each kind by itself, as far from the others as the share lets, so that their seconds can be told apart."""
    kinds = sorted({tree.components[i].kind for i in tree.leaves})
    for kind in kinds:
        columns = [i for i in tree.leaves if tree.components[i].kind == kind]
        _skip(orders, columns, float(rng.uniform(0, 2 * share) if share < 0.5 else rng.uniform(2 * share - 1, 1)), rng)
    return bool(kinds)


def _leaves(tree: Tree, orders: Grid, share: float, rng: Rng) -> bool:
    for column in tree.leaves:
        _skip(orders, [column], share, rng)
    return bool(tree.leaves)


def _mixed(tree: Tree, orders: Grid, share: float, rng: Rng) -> bool:
    some = _kinds(tree, orders, float(np.sqrt(share)), rng)
    return _containers(tree, orders, float(np.sqrt(share)), rng) and some

"""The first population of ECAD (arXiv 2506.15682, appendix)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evocache.schedule import COMPUTE, REUSE, Schedule
from evocache.search.genome.search_space import Space


def ecad_seeds(space: Space) -> list[Schedule]:
    """The first population of ECAD, as its appendix describes it, for any number of steps and blocks.

    20 schedules that skip self-attention, 18 feed-forward and 7 cross-attention in evenly spaced blocks at evenly
    spaced steps, 13 of T-GATE, 7 of FORA, 6 that compute both attentions every n steps and feed-forward always, and
    the uncached one. Which of the grid of blocks x steps the paper took it does not say; these are spread over it.
    Families that the model has no components for are left out.
    """
    out = [_seed(space, "uncached", np.ones((space.steps, len(space.tree)), dtype=bool))]
    for kind, count in (("attention", 20), ("feed_forward", 18), ("cross_attention", 7)):
        if kind in space.kinds:
            out += _spaced(space, kind, count)
    attentions = [kind for kind in ("attention", "cross_attention") if kind in space.kinds]
    if len(attentions) == 2:
        out += _gated(space, 13)
    out += [_every(space, list(space.kinds), n, "all") for n in range(2, 9)]
    if attentions:
        out += [_every(space, attentions, n, "attention") for n in range(2, 8)]
    return list({schedule.digest: schedule for schedule in out}.values())


def _spaced(space: Space, kind: str, count: int) -> list[Schedule]:
    """Schedules that skip a kind in evenly spaced blocks at evenly spaced steps, mild to strong."""
    columns = space.kinds[kind]
    out = []
    for number in range(count):
        share = (number + 1) / count
        # both shares grow, but not in step: blocks and steps take turns being the sparser of the two
        blocks = _evenly(len(columns), share if number % 2 else np.sqrt(share))
        steps = 1 + _evenly(space.steps - 1, np.sqrt(share) if number % 2 else share)
        computes = np.ones((space.steps, len(space.tree)), dtype=bool)
        computes[np.ix_(steps, columns[blocks])] = False
        out.append(_seed(space, f"{kind} skipped in {len(blocks)} blocks at {len(steps)} steps", computes))
    return out


def _evenly(count: int, share: float) -> npt.NDArray[np.intp]:
    """A share of the numbers below `count`, at least one, evenly spaced and centred."""
    chosen = max(1, round(count * min(1.0, share)))
    return np.floor((np.arange(chosen) + 0.5) * count / chosen).astype(np.intp)


def _gated(space: Space, count: int) -> list[Schedule]:
    """T-GATE: cross-attention until a gate step only, self-attention every k steps until then, always after it."""
    out = []
    gates = np.round(np.linspace(0.25, 0.95, 5) * space.steps).astype(int)
    for gate, k in [(int(gate), k) for k in (1, 3, 5) for gate in gates][:count]:
        computes = np.ones((space.steps, len(space.tree)), dtype=bool)
        steps = np.arange(space.steps)
        computes[np.ix_(steps >= max(1, gate), space.kinds["cross_attention"])] = False
        skipped = (steps >= 2) & (steps < gate) & (steps % k != 0)
        computes[np.ix_(skipped, space.kinds["attention"])] = False
        out.append(_seed(space, f"T-GATE {gate}, self-attention every {k}", computes))
    return out


def _every(space: Space, kinds: Sequence[str], n: int, name: str) -> Schedule:
    computes = np.ones((space.steps, len(space.tree)), dtype=bool)
    skipped = np.arange(space.steps) % n != 0
    computes[np.ix_(skipped, np.concatenate([space.kinds[kind] for kind in kinds]))] = False
    return _seed(space, f"{name} every {n}", computes)


def _seed(space: Space, name: str, computes: npt.NDArray[np.bool_]) -> Schedule:
    orders = np.where(computes, COMPUTE.order, REUSE.order).astype(np.int8)
    return Schedule.repaired(space.tree, orders).with_provenance(f"ECAD: {name}")

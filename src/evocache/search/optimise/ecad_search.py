"""ECAD's own search, for comparison: a bit for each leaf at each step, 4-point crossover, bit-flip mutation.

ECAD (arXiv 2506.15682), section 3.2 and appendix: NSGA-II over schedules in {0, 1}^(steps x blocks x components) with a
population of 72, 4-point crossover (p = 0.9), bit-flip mutation (p = 0.05 for an individual) and MACs as the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.crossover.pntx import PointCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation

from ...schedule import COMPUTE, REUSE, Schedule
from ..genome.memory_genes import Design
from ..genome.search_space import Space
from .nsga2 import evaluated_population

Bits = npt.NDArray[np.bool_]


class BinaryBreeder:
    """Ask for offspring, tell what they are worth, as `Breeder`; but blind to structure.

    Args:
        space: its leaves and steps are the genome; containers always run.
        first: the first population; of each schedule only which leaves run is kept.
        population: how many survive, and how many are asked for at a time.
        objectives: number of objectives.
        seed: of all randomness.
    """

    def __init__(self, space: Space, first: Sequence[Schedule], population: int, objectives: int, seed: int) -> None:
        self.space = space
        self._bits: dict[str, Bits] = {}
        genomes = np.array([self._genome(schedule) for schedule in first])
        self._algorithm = NSGA2(
            pop_size=population,
            sampling=Population.new("X", genomes),
            crossover=PointCrossover(prob=0.9, n_points=4),
            mutation=BitflipMutation(prob=0.05),
        )
        problem = Problem(n_var=genomes.shape[1], n_obj=objectives, xl=0, xu=1, vtype=bool)
        self._algorithm.setup(problem, termination=("n_gen", 10**9), seed=seed, verbose=False)

    def ask(self) -> list[Schedule]:
        """The first population; later offspring of the population, no two of the same bits."""
        return [self._schedule(individual.X) for individual in self._algorithm.ask()]

    def tell(self, schedules: Sequence[Schedule], values: npt.NDArray[np.float64]) -> None:
        """Values (schedules, objectives), lower is better, of those that were asked for and are worth keeping."""
        genomes = np.array([self._bits[schedule.digest] for schedule in schedules])
        self._algorithm.tell(infills=evaluated_population(Population.new("X", genomes), values))

    @property
    def population(self) -> list[Schedule]:
        """Those that survive."""
        return [self._schedule(individual.X) for individual in self._algorithm.pop]

    def _genome(self, schedule: Schedule) -> Any:
        return schedule.executed[:, self.space.leaves].reshape(-1)

    def _schedule(self, genome: Any) -> Schedule:
        """The schedule of a genome: what it would reuse before it was computed is computed."""
        bits = np.asarray(genome, dtype=bool)
        orders = np.full((self.space.steps, len(self.space.tree)), COMPUTE.order, dtype=np.int8)
        runs = bits.reshape(self.space.steps, len(self.space.leaves))
        orders[:, self.space.leaves] = np.where(runs, COMPUTE.order, REUSE.order)
        schedule = Schedule.repaired(self.space.tree, orders)
        self._bits[schedule.digest] = bits
        return schedule


class BinaryDesigns:
    """A binary breeder of designs as they are, whose memory nobody searches."""

    def __init__(self, schedules: BinaryBreeder) -> None:
        self._schedules = schedules

    def ask(self) -> list[Design]:
        """As `BinaryBreeder.ask`."""
        return [Design(schedule) for schedule in self._schedules.ask()]

    def tell(self, designs: Sequence[Design], values: npt.NDArray[np.float64]) -> None:
        """As `BinaryBreeder.tell`."""
        self._schedules.tell([design.schedule for design in designs], values)

    @property
    def population(self) -> list[Design]:
        """Those that survive."""
        return [Design(schedule) for schedule in self._schedules.population]


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

"""ECAD's breeder: a bit for each leaf at each step, 4-point crossover, bit-flip mutation.

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

from evocache.schedule import COMPUTE, REUSE, Schedule
from evocache.search.genome.memory_genes import Design
from evocache.search.genome.search_space import Space
from evocache.search.optimise.nsga2 import evaluated_population

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

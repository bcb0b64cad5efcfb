"""pymoo's NSGA-II over designs: our operators, its survival and selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...extras import optional
from ..genome.memory_genes import Design, cross_designs, mutate_design
from ..genome.search_space import Space
from ..genome.variation import Rng

NSGA2 = optional("pymoo.algorithms.moo.nsga2").NSGA2
Crossover: Any = optional("pymoo.core.crossover").Crossover
ElementwiseDuplicateElimination: Any = optional("pymoo.core.duplicate").ElementwiseDuplicateElimination
Mutation: Any = optional("pymoo.core.mutation").Mutation
Population = optional("pymoo.core.population").Population
Problem = optional("pymoo.core.problem").Problem
get_crowding_function = optional("pymoo.operators.survival.rank_and_crowding.metrics").get_crowding_function
NonDominatedSorting = optional("pymoo.util.nds.non_dominated_sorting").NonDominatedSorting


class _Cross(Crossover):  # type: ignore[misc]
    def __init__(self, space: Space, rng: Rng, storages: Sequence[str], prob: float) -> None:
        super().__init__(2, 2, prob=prob)
        self.space, self.rng, self.storages = space, rng, storages

    def _do(self, problem: Any, X: Any, **_: Any) -> Any:  # noqa: N803
        children = np.empty_like(X)
        for i in range(X.shape[1]):
            mother, father = X[0, i, 0], X[1, i, 0]
            children[0, i, 0] = cross_designs(mother, father, self.space, self.rng, self.storages)
            children[1, i, 0] = cross_designs(father, mother, self.space, self.rng, self.storages)
        return children


class _Mutate(Mutation):  # type: ignore[misc]
    def __init__(self, space: Space, rng: Rng, storages: Sequence[str], prob: float) -> None:
        super().__init__(prob=prob)
        self.space, self.rng, self.storages = space, rng, storages

    def _do(self, problem: Any, X: Any, **_: Any) -> Any:  # noqa: N803
        out = np.empty_like(X)
        for i in range(len(X)):
            out[i, 0] = mutate_design(X[i, 0], self.space, self.rng, self.storages)
        return out


class _Same(ElementwiseDuplicateElimination):  # type: ignore[misc]
    def is_equal(self, a: Any, b: Any) -> bool:
        return bool(a.X[0].digest == b.X[0].digest)


class Breeder:
    """Ask for offspring, tell what they are worth; the population is what survives.

    Args:
        space: what may vary.
        first: the first population, which the first `ask` gives back.
        population: how many survive.
        offspring: how many are asked for at a time.
        objectives: number of objectives.
        seed: of all randomness.
        storages: what features may be stored in, where memory is searched, too; else genes stay as they are.
    """

    def __init__(
        self,
        space: Space,
        first: Sequence[Design],
        population: int,
        offspring: int,
        objectives: int,
        seed: int,
        storages: Sequence[str] = (),
    ) -> None:
        rng = np.random.default_rng(seed)
        self._algorithm = NSGA2(
            pop_size=population,
            n_offsprings=offspring,
            sampling=_population(first),
            crossover=_Cross(space, rng, storages, prob=0.5),
            mutation=_Mutate(space, rng, storages, prob=0.9),
            eliminate_duplicates=_Same(),
        )
        problem = Problem(n_var=1, n_obj=objectives, vtype=object)
        self._algorithm.setup(problem, termination=("n_gen", 10**9), seed=seed, verbose=False)

    def ask(self) -> list[Design]:
        """Return the first population; later offspring of the population, none of which is in it."""
        return [individual.X[0] for individual in self._algorithm.ask()]

    def tell(self, designs: Sequence[Design], values: npt.NDArray[np.float64]) -> None:
        """Take in the values (designs, objectives), lower is better, of designs that were asked for and are kept."""
        self._algorithm.tell(infills=evaluated_population(_population(designs), values))

    @property
    def population(self) -> list[Design]:
        """Those that survive."""
        return [individual.X[0] for individual in self._algorithm.pop]


def _population(designs: Sequence[Design]) -> Any:
    cells = np.empty((len(designs), 1), dtype=object)
    cells[:, 0] = designs
    return Population.new("X", cells)


def evaluated_population(population: Any, values: npt.NDArray[np.float64]) -> Any:
    """Return a population of pymoo's with its values, so that pymoo takes it as evaluated."""
    population.set("F", np.asarray(values, dtype=float))
    for individual in population:
        individual.evaluated.update({"F", "G", "H"})
    return population


def choose_best(values: npt.NDArray[np.float64], count: int) -> list[int]:
    """Return which rows (points, objectives) NSGA-II would let survive: by rank, then by crowding; in order."""
    fronts = NonDominatedSorting().do(values, n_stop_if_ranked=count)
    kept: list[int] = []
    for front in fronts:
        left = count - len(kept)
        if len(front) > left:
            spread = get_crowding_function("cd").do(values[front], n_remove=len(front) - left)
            front = front[np.argsort(-spread, kind="stable")[:left]]
        kept += [int(i) for i in front]
    return sorted(kept)

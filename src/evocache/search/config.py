"""The options of an evolution: their defaults and their checks, for `evolve` and the command line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from ..errors import RunError
from ..units import in_bytes

if TYPE_CHECKING:
    from ..schedule import Schedule
    from ..schedule.front import Point
    from .evaluate.quality import Quality
    from .evaluate.rewards import Reward
    from .optimise.settings import Settings


class EvolveOptions(TypedDict, total=False):
    """The fields of `EvolveConfig` as arguments by name."""

    call: Mapping[str, Any] | None
    budget_seconds: float | None
    held_out: Sequence[str]
    objectives: Sequence[str] | None
    judge: str | Quality | Reward
    max_memory: int | str | None
    storages: Sequence[str] | None
    least_steps: int | None
    generations: int
    seed: int
    settings: Settings | None
    start: Iterable[Schedule | Point]
    batch: int
    workers: int
    ray: str | None
    load: Callable[[], Any] | None


@dataclass(frozen=True)
class EvolveConfig:
    """What an evolution is to do, checked when it is made.

    Lists are kept as tuples, and the call as a dictionary.

    Attributes:
        call: further arguments of the pipeline's call (steps, guidance, size).
        budget_seconds: time for all of it, over all sittings; None to run all generations.
        held_out: prompts that the front is proven on.
        objectives: what is minimised beside the error; None for `latency`.
        judge: the quality, by name, as a function or as a `Quality`.
        max_memory: most bytes, or a text such as `2GB`.
        storages: what features may be stored in where the peak is searched; None for all that make them smaller.
        least_steps: fewest denoising steps that schedules may have; None for a sixth.
        generations: most generations, where no settings are given.
        seed: of all randomness, where no settings are given.
        settings: of the search; None for the usual ones of so many prompts.
        start: schedules and points to start from.
        batch: prompts in one call.
        workers: processes of this machine that evaluate; 1 is this one.
        ray: address of a Ray cluster whose machines evaluate instead, or `auto`.
        load: loads the pipeline in a worker.

    Raises:
        AmountError: if `max_memory` is no number of bytes.
        PolicyError: if there is no such storage.
        RunError: if another option cannot be used.
    """

    call: Mapping[str, Any] | None = None
    budget_seconds: float | None = 600.0
    held_out: Sequence[str] = ()
    objectives: Sequence[str] | None = None
    judge: str | Quality | Reward = "latent"
    max_memory: int | str | None = None
    storages: Sequence[str] | None = None
    least_steps: int | None = None
    generations: int = 1000
    seed: int = 0
    settings: Settings | None = None
    start: Iterable[Schedule | Point] = ()
    batch: int = 16
    workers: int = 1
    ray: str | None = None
    load: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        # imported here, so that the command line knows the defaults before it loads anything
        from .evolve_arguments import check_amounts, check_arguments, check_some_texts, check_starts, check_texts
        from .objectives import parse_objectives
        from .optimise.settings import Settings

        self._set("held_out", check_texts(self.held_out, "held_out"))
        check_amounts(self.budget_seconds, self.batch, self.workers, self.least_steps)
        self._set("call", check_arguments(self.call))
        self._set("start", check_starts(self.start))
        self._set("objectives", parse_objectives(check_some_texts(self.objectives, "objectives")))
        self._set("storages", check_some_texts(self.storages, "storages"))
        if self.storages:
            from ..memory.quantization import check_coding

            for storage in self.storages:
                check_coding(storage)
        if self.max_memory is not None:
            in_bytes(self.max_memory)  # checks it
        Settings(generations=self.generations, seed=self.seed)  # checks both
        usual = (EvolveConfig.generations, EvolveConfig.seed)
        if self.settings is not None and (self.generations, self.seed) != usual:
            given = "settings beside generations or a seed"
            raise RunError(given, "one of them", "write Settings(generations=..., seed=...)")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def search_settings(self, prompts: int) -> Settings:
        """Return the settings of a search on so many prompts, or on those that are left where some are held out."""
        from .optimise.settings import Settings

        chosen = self.settings or Settings.of(prompts, generations=self.generations, seed=self.seed)
        return chosen.limited_to(prompts)

    @property
    def limited(self) -> str:
        """The objective that `max_memory` is of: the peak, or cached features where they are searched."""
        from .objectives import choose_limited

        return choose_limited(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives beside the error that were asked for, or the usual one."""
        return tuple(self.objectives or ())

    @property
    def minimised(self) -> tuple[str, ...]:
        """Those, and what `max_memory` is of."""
        return tuple(dict.fromkeys((*self.names, *self.limits)))

    @property
    def most_bytes(self) -> int | None:
        """`max_memory` as a number."""
        return None if self.max_memory is None else in_bytes(self.max_memory)

    @property
    def limits(self) -> dict[str, float]:
        """The most that an objective may be."""
        return {} if self.most_bytes is None else {self.limited: float(self.most_bytes)}

    @property
    def within(self) -> int | None:
        """Bytes that the run's own generations are kept within; None where they are not."""
        from .genome.memory_genes import PEAK

        return self.most_bytes if PEAK in self.limits else None

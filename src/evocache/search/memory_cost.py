"""What designs cost beside their schedules, for one pipeline and workload: the memory that a search varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from ..memory.planner.footprint import Footprint
from ..memory.planner.planner import least, plan
from ..model import discover
from ..runtime.estimate.many import FootprintsOfMany, moved
from ..runtime.estimate.residency import movable
from ..runtime.program.step_arguments import STEPS
from ..schedule import Schedule
from .calibrate.calibration_file import Calibration, read_calibration, write_calibration
from .cost.hardware_rates import Rates, measure
from .evaluate.local import LocalEvaluator
from .genome.memory_genes import Design, Memory, MemoryPrice
from .seeds.seed_schedules import make_stored_seeds


class MemoryPricer:
    """Memory prices of designs: the plan that their genes ask for, and what it predicts.

    Args:
        footprints: of the workload's call.
        rates: what the machine takes.
        offload: whether components may leave the device in stages that do not need them.
        most: bytes that no generation may hold; those that could be made to hold no more are.
    """

    def __init__(self, footprints: FootprintsOfMany, rates: Rates, *, offload: bool, most: int | None = None) -> None:
        self.footprints, self.rates, self.offload, self.most = footprints, rates, offload, most

    def __call__(self, design: Design) -> MemoryPrice:
        """The memory price of a design. Where the least that it can hold is more than may be, that is its peak."""
        footprint = self.footprints.of(design.schedule, design.genes.storage)
        seconds = self._coding(footprint, design)
        found = plan(footprint, self._budget(footprint, design.genes.level), self.rates.machine, offload=self.offload)
        return MemoryPrice(found.peak, found.seconds + seconds, found.budget)

    def _budget(self, footprint: Footprint, level: float | None) -> int | None:
        """Bytes that a level stands for; None where nothing has to be planned."""
        if level is None and self.most is None:
            return None
        low, top = least(footprint, offload=self.offload), plan(footprint, None).peak
        if self.most is not None:
            top = self.most if level is None else min(top, self.most)
        return max(low, round(low + (1.0 if level is None else level) * (top - low)))

    def _coding(self, footprint: Footprint, design: Design) -> float:
        """Seconds that encoding and decoding features take."""
        if design.genes.storage == "none":
            return 0.0
        written, read = moved(self.footprints.of(design.schedule))
        there, back = self.rates.codings.get(design.genes.storage, (0.0, 0.0))
        return written * there + read * back


def choose_memory_search(
    memory_prices: MemoryPricer, storages: Sequence[str] | None, seeds: Sequence[Schedule]
) -> Memory:
    """Return what a search may vary of memory.

    Args:
        memory_prices: of its designs.
        storages: what features may be stored in; all that make them smaller when not given.
        seeds: schedules that it starts from: its policies are tried in other storages, too.
    """
    able = ["none", *memory_prices.rates.codings]
    chosen = tuple(name for name in able if storages is None or name == "none" or name in storages)
    return Memory(
        memory_prices, chosen, tuple({design.digest: design for design in make_stored_seeds(seeds, chosen)}.values())
    )


def measure_rates(evaluator: LocalEvaluator, calibration: Calibration) -> Rates:
    """Measure what the machine takes on which an evaluator's pipeline runs, for features such as it has."""
    denoiser = discover(evaluator.pipe).denoisers[0].module
    dtype = next((p.dtype for p in denoiser.parameters() if p.dtype.is_floating_point), torch.float32)
    sizes = [size for size in calibration.costs.sizes.values() if size]
    return measure(_device(evaluator), dtype, int(median(sizes)) if sizes else 1 << 20)


def read_or_measure_rates(evaluator: LocalEvaluator, folder: Path, calibration: Calibration) -> Rates:
    """Measure once what the machine takes for keeping generations small, and keep it with the run's calibration."""
    if calibration.rates is None:
        write_calibration(folder, replace(calibration, rates=measure_rates(evaluator, calibration)))
        calibration = read_calibration(folder) or calibration
    assert calibration.rates is not None
    return calibration.rates


def make_memory_pricer(
    evaluator: LocalEvaluator, prompts: Sequence[int], known: Rates, most: int | None = None
) -> MemoryPricer:
    """Make the memory prices for an evaluator's call of some prompts, as a user makes it: decoding included.

    Args:
        evaluator: whose number of steps is known.
        prompts: their numbers.
        known: what the machine takes.
        most: bytes that no generation may hold.
    """

    def arguments(steps: int) -> dict[str, object]:
        return evaluator.arguments(prompts, **({STEPS: steps} if steps != evaluator.steps else {}))

    found = FootprintsOfMany(evaluator.pipe, discover(evaluator.pipe), evaluator.steps, arguments)
    return MemoryPricer(found, known, offload=movable(evaluator.pipe), most=most)


def _device(evaluator: LocalEvaluator) -> torch.device:
    return torch.device(getattr(evaluator.pipe, "_execution_device", "cpu"))

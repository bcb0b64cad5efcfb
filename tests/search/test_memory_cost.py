"""Memory prices of designs on a tiny pipeline: what levels, limits and storages do to the peak, and what they cost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evocache.memory.quantization import CODINGS
from evocache.policies import parse
from evocache.search.calibrate.calibration_file import Calibration, read_calibration, write_calibration
from evocache.search.cost.hardware_rates import Rates, measure
from evocache.search.cost.schedule_cost import Costs
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.genome.memory_genes import Design, Genes
from evocache.search.memory_cost import MemoryPricer, make_memory_pricer, measure_rates
from tests.test_evolve_run import CALL, PROMPTS

RATES = Rates(2.0**33, 2.0**-19, 2.0**-40, {name: (1e-9, 2e-9) for name in CODINGS if name != "none"})


@pytest.fixture(scope="module")
def evaluator():
    from tests.tiny import FAMILIES

    found = LocalEvaluator(FAMILIES["pixart"].build(), Workload.of(PROMPTS, CALL, batch=2), quality("latent"))
    found.steps = CALL["num_inference_steps"]
    return found


@pytest.fixture(scope="module")
def memory_prices(evaluator) -> MemoryPricer:
    return make_memory_pricer(evaluator, [0, 1], RATES)


def design(evaluator, spec: str, *genes: object) -> Design:
    return Design(parse(spec).schedule(evaluator.tree, 6), Genes(*genes))  # type: ignore[arg-type]


def test_a_lower_level_holds_less_and_takes_longer(evaluator, memory_prices):
    as_it_is = memory_prices(design(evaluator, "fora:2"))
    assert (as_it_is.budget, as_it_is.seconds) == (None, 0.0)
    found = [memory_prices(design(evaluator, "fora:2", "none", level)) for level in (1.0, 0.75, 0.5, 0.25, 0.0)]
    assert found[0][:2] == as_it_is[:2]
    assert [memory_price.peak for memory_price in found] == sorted(
        (memory_price.peak for memory_price in found), reverse=True
    )
    assert [memory_price.seconds for memory_price in found] == sorted(memory_price.seconds for memory_price in found)
    assert found[-1].peak < 0.97 * as_it_is.peak
    assert all(memory_price.peak <= memory_price.budget for memory_price in found)
    assert [memory_prices(design(evaluator, "fora:2", "none", 0.5)) for _ in range(2)] == [found[2]] * 2


def test_smaller_storage_holds_less_and_costs_what_coding_takes(evaluator, memory_prices):
    plain, bf16, int8 = (memory_prices(design(evaluator, "fora:2", name)) for name in ("none", "bf16", "int8"))
    assert plain.peak > bf16.peak > int8.peak
    assert bf16.seconds == int8.seconds > 0
    assert memory_prices(design(evaluator, "none", "int8"))[:2] == memory_prices(design(evaluator, "none"))[:2]


def test_a_limit_is_kept_where_it_can_be(evaluator, memory_prices):
    whole, least = (
        memory_prices(design(evaluator, "fora:2")).peak,
        memory_prices(design(evaluator, "fora:2", "none", 0.0)).peak,
    )
    most = (whole + least) // 2
    limited = MemoryPricer(memory_prices.footprints, RATES, offload=False, most=most)
    assert limited(design(evaluator, "fora:2")).budget == most
    assert least < limited(design(evaluator, "fora:2")).peak <= most
    assert limited(design(evaluator, "fora:2", "none", 0.0)).peak == least
    assert least <= limited(design(evaluator, "fora:2", "none", 0.5)).peak <= most
    hopeless = MemoryPricer(memory_prices.footprints, RATES, offload=False, most=least - 1)
    assert hopeless(design(evaluator, "fora:2")).peak == least


def test_rates_are_measured_once_and_kept(evaluator, tmp_path: Path):
    found = measure(torch.device("cpu"), torch.float32, 1 << 16)
    assert {*found.codings} == {*CODINGS} - {"none"}
    assert all(0 < seconds < 1e-3 for pair in found.codings.values() for seconds in pair)
    assert "bf16" not in measure(torch.device("cpu"), torch.bfloat16, 1 << 16).codings
    calibration = Calibration(6, Costs({}, {}, {"t": 4096}), {})
    write_calibration(tmp_path, calibration)
    before = read_calibration(tmp_path)
    assert before is not None
    assert before.rates is None
    known = measure_rates(evaluator, calibration)
    write_calibration(tmp_path, Calibration(6, Costs({}, {}, {"t": 4096}), {}, rates=known))
    after = read_calibration(tmp_path)
    assert after is not None
    assert after.rates == known

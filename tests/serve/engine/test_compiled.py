"""Compiled denoisers meet: batches of few sizes, each row what it is alone, graphs counted and bounded."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from evocache import apply
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns.sizes import NO_ROOM
from tests.composition import compiling
from tests.serve.calls import difference
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of dynamo itself
]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing compiled yet; and torch does not write down all that it traces for pytest to hear."""
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


CASES = [
    # build, family, what is compiled, specs of requests
    ("pixart", "pixart", "whole", ("fora:2",)),
    ("pixart", "pixart", "wrapped", ("steps:0,2",)),
    ("flux", "flux", "blocks", ("fora:2", "none", "steps:0,2")),
    ("sd", "sd15", "whole", ("deepcache:2",)),
]


def requests(family: str, pipe: Any, specs: tuple[str, ...], number: int = 4) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for seed in range(number):
        given = arguments(FAMILIES[family], pipe, seed=seed, steps=4 + seed % 2)
        found.append((specs[seed % len(specs)], {**given, "output_type": "latent"}))
    return found


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")  # of so few steps some schedules reuse nothing
@pytest.mark.table("case", family=lambda case: case[1])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}-{'+'.join(case[3])}")
def test_compiled_in_company_is_what_it_is_alone(case: Any) -> None:
    """Three requests of guidance are six rows, and two for nobody."""
    build, family, how, specs = case
    pipe = getattr(compiling, build)()
    pipe.set_progress_bar_config(disable=True)
    expected = []
    for what, given in requests(family, pipe, specs, 3):
        with apply(pipe, what):
            expected.append(pipe(**given))
    getattr(compiling, how)(pipe, FAMILIES[family].denoisers[0], backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(recompile_limit=24), Engine({"m": pipe}) as engine:
        for _ in range(2):
            with engine._loop.change:  # so that all are there before the first begins
                jobs = [engine.submit(what=what, **given) for what, given in requests(family, pipe, specs, 3)]
            for one, job in zip(expected, jobs, strict=True):
                assert difference(one, job.result(300)) < 1e-5
        figures = engine.figures
    assert figures.together > figures.calls / 3, figures.alone
    assert not figures.anew
    assert 0 < figures.graphs < 24


@pytest.mark.parametrize(("most", "together"), [(4, True), (2, False)])
def test_graphs_are_bounded_and_some_left_to_the_host(most: int, together: bool) -> None:
    """Where no more may be made, calls are computed in sizes that there are graphs for, or alone, and counted."""
    pipe = compiling.pixart()
    pipe.set_progress_bar_config(disable=True)
    expected = [pipe(**given) for _, given in requests("pixart", pipe, ("none",))]
    compiling.whole(pipe, "transformer", backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(recompile_limit=most, automatic_dynamic_shapes=False):
        with Engine({"m": pipe}) as engine:
            for _ in range(2):
                with engine._loop.change:  # so that all are there before the first begins
                    jobs = [engine.submit(**given) for _, given in requests("pixart", pipe, ("none",))]
                for one, job in zip(expected, jobs, strict=True):
                    assert difference(one, job.result(300)) < 1e-5
            figures = engine.figures
        assert together or figures.alone[NO_ROOM], figures
        assert bool(figures.graphs) is together
        assert figures.graphs <= most
        _, given = requests("pixart", pipe, ("none",), 1)[0]
        assert difference(expected[0], pipe(**given)) == 0

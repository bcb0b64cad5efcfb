"""All that schedules reuse is each request's own in company: guidance, forecasts, spans, deep parts, streams."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from evocache import apply
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns.gains import Gains
from tests.serve.calls import difference
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.arguments import arguments

GUIDANCE = "fastercache:2,0.5,0,2"

CASES = [
    # family, specs of requests in turn, least share of calls that are computed with others
    ("pixart", (GUIDANCE,), 0.9),  # guidance doubles the batch
    ("sd15", (GUIDANCE,), 0.9),
    ("latte", (GUIDANCE,), 0.9),
    ("cogvideox", (GUIDANCE, "none"), 0.5),
    ("wan", (GUIDANCE,), 0.9),  # guidance is a call of its own
    ("wan22", (GUIDANCE, "fora:2"), 0.4),  # and there are two denoisers
    ("pixart", (GUIDANCE, "none", "fora:2"), 0.5),
    ("pixart", ("taylorseer:2,1", "taylorseer:3,1"), 0.9),
    ("flux", ("taylorseer:2,1", "none"), 0.9),
    ("flux", ("steps:0,2,4", "fora:2", "none"), 0.9),  # double and single blocks
    ("hunyuan_video", ("steps:0,2,4", "fora:3"), 0.9),
    ("sdxl", ("deepcache:2", "deepcache:3"), 0.9),
    ("pixart", ("fbcache:0.3", "teacache:0.3", "none", "none"), 0.2),  # a gate decides alone
    ("sd15", ("fbcache:0.3", "none", "deepcache:2"), 0.2),
]


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")  # of so few steps some schedules reuse nothing
@pytest.mark.table("case", family=lambda case: FAMILY_OF[case[0]])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'+'.join(case[1])}")
def test_what_is_reused_is_each_requests_own(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of different steps, so that at one time each is at another place of its schedule."""
    monkeypatch.setattr(Gains, "pays", lambda *_: True)  # whatever was measured
    name, specs, least = case
    tiny = FAMILIES[name]
    pipe = tiny.build()
    pipe.set_progress_bar_config(disable=True)
    requests: list[tuple[str, dict[str, Any]]] = []
    for seed in range(4):
        given = arguments(tiny, pipe, seed=seed, steps=6 + seed % 2)
        requests.append((specs[seed % len(specs)], {**given, "output_type": "latent"}))
    expected = []
    for what, given in requests:
        with apply(pipe, what):
            expected.append(pipe(**deepcopy(given)))
    with Engine({"m": pipe}) as engine:
        with engine._loop.change:  # so that all are there before the first begins
            jobs = [engine.submit(what=what, **deepcopy(given)) for what, given in requests]
        for one, job in zip(expected, jobs, strict=True):
            assert difference(one, job.result(300)) < 1e-5
        figures = engine.figures
    assert not figures.anew
    assert figures.together >= least * figures.calls, figures
    gated = any("cache:0." in what and "faster" not in what for what in specs)
    assert bool(figures.alone["a gate decides in it"]) is gated, figures

"""Every family of pipelines gives in company what it gives alone, whoever joins and leaves at whichever step."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import pytest

from evocache import apply
from evocache.runtime.attach import call_scope, interception
from evocache.serve.engine.engine import Engine
from tests.serve.calls import difference, engine_threads, tensors
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.arguments import arguments

COMPANY = {"latent": 1e-5, "np": 5e-5}
"""Most difference from the same call alone, relative to the largest number: decoders of random weights amplify it."""

SPECS = {"dit": ("none", "fora:2", "steps:0,2"), "unet": ("none", "deepcache:2", "fora:2")}
"""What three requests run under."""

TWO_STAGES = ("stable_cascade", "kandinsky22")
"""Pipelines whose latents are not all that they return."""

WITHOUT_SKIPS = ("stable_cascade",)
"""U-Nets that have no connections that deep parts could be left by."""


def specs_of(name: str) -> tuple[str, ...]:
    kind = "dit" if name in WITHOUT_SKIPS else FAMILIES[name].kind
    return ("none", "none", "fora:2") if name in WITHOUT_SKIPS else SPECS[kind]


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")  # of so few steps some schedules reuse nothing
@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_requests_in_company_are_what_they_are_alone(name: str) -> None:
    """Of different schedules, steps and guidance; each spec twice, so that equal rows meet, and different ones."""
    tiny, pipe = FAMILIES[name], FAMILIES[name].build()
    pipe.set_progress_bar_config(disable=True)
    requests = []
    for seed, what in enumerate((*specs_of(name), *specs_of(name))):
        settings = {"seed": seed, "steps": 3 + seed % 2, "guidance": seed != 1}
        given = arguments(tiny, pipe, **settings)
        form = given.get("output_type", "np") if seed % 2 or name in TWO_STAGES else "latent"
        requests.append((what, form, {**given, "output_type": form}))
    expected = []
    for what, _, given in requests:
        with apply(pipe, what):
            expected.append(pipe(**deepcopy(given)))
    draw = random.Random(name)
    draw.shuffle(order := list(range(len(requests))))
    with Engine({"m": pipe}) as engine:
        jobs: dict[int, Any] = {}
        for at in order:
            what, _, given = requests[at]
            jobs[at] = engine.submit(what=what, seed=at, **deepcopy(given))
            if len(jobs) > 2 and draw.random() < 0.5:  # some join at once, some when others are on their way
                jobs[at]._ended.wait(draw.random() * 0.1)
        found = {at: job.result(300) for at, job in jobs.items()}
        figures = engine.figures
    for at, output in found.items():
        assert difference(expected[at], output) < COMPANY[requests[at][1]], requests[at]
    assert figures.done == len(requests)
    assert figures.together > 0, figures.alone
    assert not figures.anew
    assert not engine_threads()
    assert not interception._attached
    assert not call_scope._entered


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan"])
def test_alone_it_is_the_plain_call_to_the_bit(name: str) -> None:
    tiny, pipe = FAMILIES[name], FAMILIES[name].build()
    with apply(pipe, "fora:2"):
        expected = tensors(pipe(**arguments(tiny, pipe, seed=3)))
    with Engine({"m": pipe}) as engine:
        found = tensors(engine.submit(what="fora:2", **arguments(tiny, pipe, seed=3)).result(100))
    assert all(one.equal(other) for one, other in zip(expected, found, strict=True))

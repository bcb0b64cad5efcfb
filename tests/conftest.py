"""What all tests share: no network, one thread, and tiny pipelines that are built once."""

from __future__ import annotations

import gc
import os

os.environ["HF_HUB_OFFLINE"] = "1"
# More threads than free cores make small models many times slower: they wait by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from evocache.schedule import Schedule
    from evocache.validation.contender import Contender
    from tests.family import Family

pytest_plugins = ["tests.rotation", "tests.postgres", "tests.valkey_server"]

settings.register_profile("hour", max_examples=20, deadline=None, database=None)
"""For `tests/fuzz`, which goes on by so many for an hour under it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that run tiny pipelines pass over the warnings of others that cannot be avoided."""
    users = [
        i
        for i in items
        if "family" in getattr(i, "fixturenames", ()) or hasattr(getattr(i, "module", None), "FAMILIES")
    ]
    if users:
        from tests.tiny import KNOWN_WARNINGS

        for item in users:
            for pattern in KNOWN_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{pattern}"))


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's sight: looking at it all takes long."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _families() -> dict[str, Family]:
    return {}


@pytest.fixture
def family(_families: dict[str, Family]) -> Callable[[str], Family]:
    """`family("pixart")`: a tiny pipeline with its reference output; built once, to be left as it was found."""
    from tests.family import Family
    from tests.tiny import FAMILIES

    def get(name: str) -> Family:
        if name not in _families:
            _families[name] = Family(FAMILIES[name])
        return _families[name]

    return get


def _some(all_seeds: Callable[..., list[Schedule]], *given: object) -> list[Schedule]:
    """Every fourth seed, and the first of each number of steps."""
    seeds = all_seeds(*given)
    first = {seed.steps: number for number, seed in reversed([*enumerate(seeds)])}
    return [seed for number, seed in enumerate(seeds) if number % 4 == 0 or number == first[seed.steps]]


def _as_predicted(
    self: object, rivals: list[Contender], prompts: int, planned: object, clock: object, left: object
) -> dict[str, dict[str, float]]:
    """Speed-ups as they are predicted, with no spread."""
    shares = {"uncached": 1.0, **{rival.name: rival.share for rival in rivals}}
    names = ("speedup", "speedup q1", "speedup q3")
    return {name: {**dict.fromkeys(names, 1 / share), "seconds": share} for name, share in shares.items()}


def hasten(change: Callable[[object, str, object], None] = setattr) -> None:
    """Evolutions are as short as can be, however long that takes.

    They time few schedules for their calibration, none of them twice, start from every fourth seed, and prove little,
    by no clock: what tests see does not depend on how busy a machine is.
    """
    from evocache import evolve_run
    from evocache.search.calibrate import run_calibration
    from evocache.validation import contender_trial, time_budget

    change(contender_trial.ContenderTrial, "time_contenders", _as_predicted)
    change(run_calibration, "calibrate", partial(run_calibration.calibrate, repeats=1, schedules=(4, 2)))
    change(run_calibration, "WITHIN", 0.01)
    change(evolve_run, "make_seeds", partial(_some, evolve_run.make_seeds))
    change(time_budget, "LADDER", (time_budget.Effort(4, 3, 2, 4, 1, 2),))


@pytest.fixture
def no_grad() -> Iterator[None]:
    """No gradients, as pipelines run."""
    import torch

    with torch.no_grad():
        yield


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `hasten` says."""
    hasten(monkeypatch.setattr)

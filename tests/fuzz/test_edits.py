"""Random edits between calls: after each the outcome is that of a fresh `apply` on an equal pipeline.

A few examples run with the other tests. `pytest tests/fuzz --hypothesis-profile=hour` goes on for an hour.
"""

from __future__ import annotations

import os
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from evocache import apply
from evocache.errors import Error
from tests.fuzz.edits import EDITS, Call, World
from tests.tiny import FAMILIES

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

NAMES = ("pixart", "flux", "sd15", "sd15_img2img", "flux_img2img", "wan", "sdxl", "sd3")

HOUR = "hour"
SECONDS = float(os.environ.get("EVOCACHE_FUZZ_SECONDS", "3600"))


def outcome(tiny: Any, pipe: Any, call: Call) -> Any:
    """What a call gives: pictures, or the class of our error, or of the pipeline's own."""
    try:
        return tiny.call(pipe, **call.arguments)
    except Error as error:
        return type(error)
    except (ValueError, RuntimeError, TypeError, AttributeError, IndexError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


def applied(tiny: Any, pipe: Any, call: Call) -> Any:
    """What applying gives: a handle, or the class of our error."""
    try:
        return apply(pipe, call.policy, memory=call.memory, storage=call.storage)
    except Error as error:
        return type(error)


def anew(world: World) -> Any:
    """What a fresh `apply` gives."""
    handle = applied(world.tiny, world.twin, world.call)
    if isinstance(handle, type):
        return handle
    with handle:
        return outcome(world.tiny, world.twin, world.call)


def equal(a: Any, b: Any) -> bool:
    """Whether two outcomes are the same, to the bit."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    return type(a) is type(b) and a == b


def run(name: str, data: Any, length: int) -> None:
    """Edit and call by turns."""
    tiny = FAMILIES[name]
    world = World(tiny, tiny.build(), tiny.build())
    handle = applied(tiny, world.pipe, world.call)
    done = (world.call.policy, world.call.memory, world.call.storage)
    for _ in range(length):
        edit = data.draw(st.sampled_from(EDITS))
        before = world.call
        edit(world, lambda choices: data.draw(st.sampled_from(choices)))
        note(f"{name}: {edit.__name__} -> {world.call}")
        now = (world.call.policy, world.call.memory, world.call.storage)
        if now != done:
            if not isinstance(handle, type):
                handle.remove()
            handle, done = applied(tiny, world.pipe, world.call), now
        lived = handle if isinstance(handle, type) else outcome(tiny, world.pipe, world.call)
        fresh = anew(world)
        assert equal(lived, fresh), (edit.__name__, world.call, lived, fresh)
        plain = outcome(tiny, world.twin, world.call)
        if isinstance(plain, str):
            world.call = before  # the pipeline itself does not take this call
            continue
        assert not isinstance(lived, str), lived
        if done == ("none", None, None):
            assert equal(lived, plain)
    if not isinstance(handle, type):
        handle.remove()
    assert equal(outcome(tiny, world.pipe, world.call), outcome(tiny, world.twin, world.call))


@pytest.mark.table("name", family=lambda name: "any")
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_edits(name: str, data: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(name, data, 4)


def test_for_an_hour(request: pytest.FixtureRequest) -> None:
    """All families by turns, with longer histories; what it finds ends it, shrunk."""
    if request.config.getoption("--hypothesis-profile") != HOUR:
        pytest.skip("takes an hour: pytest tests/fuzz --hypothesis-profile=hour")
    began, ran = time.monotonic(), [0]

    @settings(settings.get_profile(HOUR), suppress_health_check=list(HealthCheck))
    @given(name=st.sampled_from(NAMES), data=st.data())
    def some(name: str, data: Any) -> None:
        ran[0] += 1
        run(name, data, 8)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() - began < SECONDS:
            some()
            print(f"{ran[0]} histories in {time.monotonic() - began:.0f} s", flush=True)

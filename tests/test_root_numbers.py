"""Every number that the root API takes: what is none, or out of range, is refused before a pipeline is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from evocache import Front, apply, evolve, plan_memory
from evocache.errors import AmountError, FilmError, FrontError, RunError, ScheduleError
from evocache.policies import parse
from evocache.schedule.front.point import Point
from evocache.search.optimise.settings import Settings
from evocache.video.writer import film
from tests.search.trees import stack

TREE = stack()
FRONT = Front((Point(parse("fora:2").schedule(TREE, 6), {}, {"speedup": 2.0, "quality": 30.0, "memory": 1e6}),))
NAN, INF = float("nan"), float("inf")
AMOUNTS = (-5, -0.1, NAN, INF, True, 8, 24.0, "8", "-5GB", "", [1], 1 << 70)

EVOLVE: dict[str, tuple[Any, ...]] = {
    "budget_seconds": (-1, 0, NAN, INF, True, "10m", [60]),
    "batch": (0, -1, 2.0, True, None, "4", 10**30),
    "workers": (0, -1, 2.0, True, None, "auto", 10**30),
    "least_steps": (1, 0, -3, 2.0, True, "6", 10**30),
}
SETTINGS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("population", "offspring", "prompts", "generations"), (-1, 2.5, True, None, "4", 10**30)),
    **dict.fromkeys(("polish", "polish_prompts", "seed"), (-1, 0.5, True, None, 10**30)),
    "rungs": ((0,), (2.5,), (True,), ("1",)),
    "limits": ({"memory": -1.0}, {"memory": NAN}, {"memory": INF}, {"memory": "2GB"}),
}


def cases(table: dict[str, tuple[Any, ...]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name} {i}") for name, values in table.items() for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(("name", "value"), cases(EVOLVE))
def test_evolve(name: str, value: Any) -> None:
    with pytest.raises(RunError) as caught:
        evolve(None, ["a", "b"], **{name: value})
    assert caught.value.given.startswith(f"{name}=")


@pytest.mark.parametrize(("name", "value"), cases(SETTINGS))
def test_settings_of_a_search(name: str, value: Any) -> None:
    with pytest.raises(RunError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize("amount", AMOUNTS, ids=range(len(AMOUNTS)))
def test_amounts_of_memory(amount: Any) -> None:
    for use in (
        lambda: apply(None, "fora:2", memory=amount),
        lambda: plan_memory(None, {}, "none", amount),
        lambda: evolve(None, ["a", "b"], max_memory=amount),
        lambda: FRONT.pick(memory=amount),
    ):
        with pytest.raises(AmountError):
            use()


@pytest.mark.parametrize("speedup", [-1, 0, NAN, INF, True, "fast", [2]])
def test_a_wish_for_speed(speedup: Any) -> None:
    with pytest.raises(FrontError, match="speedup="):
        FRONT.pick(speedup=speedup)


@pytest.mark.parametrize("quality", [NAN, -INF, True, "good"])
def test_a_wish_for_quality(quality: Any) -> None:
    with pytest.raises(FrontError, match="quality="):
        FRONT.pick(quality=quality)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True, "6", 10**30])
def test_steps_that_a_front_is_moved_to(steps: Any) -> None:
    with pytest.raises(ScheduleError, match="steps="):
        FRONT.retarget(TREE, steps=steps)


@pytest.mark.parametrize("fps", [0, -1, NAN, INF, True, "8"])
def test_frames_a_second(tmp_path: Any, fps: Any) -> None:
    with pytest.raises(FilmError, match="fps="), film(tmp_path / "x.gif", fps=fps):
        pass

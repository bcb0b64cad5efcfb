"""Steps of a pipeline's calls are counted, and neither the calls nor their plans know of it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import evocache
from evocache.cli.ui.step_count import count_steps
from evocache.runtime import generation
from tests.tiny import FAMILIES


def bars(pipe: Any) -> list[Any]:
    """How the bars of a pipeline, and of those that it consists of, are configured."""
    return [getattr(host, "__dict__", {}).get("_progress_bar_config") for host in (pipe, *vars(pipe).values())]


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan", "stable_cascade", "kandinsky22", "allegro"])
def test_each_step_is_counted_once_and_the_bar_is_as_before(name: str, family: Any, capsys: Any) -> None:
    known = family(name)
    before, steps = bars(known.pipe), list[int]()
    with count_steps(known.pipe, steps.append):
        counted = known.call()
        known.call()
    rows = sum(passed.rows for passed in known.passes.values())
    assert sum(steps) == 2 * rows
    assert set(steps) == {1}
    assert bars(known.pipe) == before
    np.testing.assert_array_equal(counted, known.reference)
    known.call()
    assert sum(steps) == 2 * rows
    assert "".join(capsys.readouterr()) == ""


def test_what_is_planned_and_held_is_the_same_with_a_bar_and_the_plan_counts_nothing() -> None:
    tiny, steps, found = FAMILIES["pixart"], list[int](), []
    for advance in (None, steps.append):
        pipe = tiny.build()  # anew: plans are kept
        with (
            count_steps(pipe, advance) if advance else nullcontext(),
            evocache.apply(pipe, "fora:2", memory="64MB", measure=True) as handle,
        ):
            found.append((handle, tiny.call(pipe)))
    (alone, plain), (beside, counted) = found
    assert sum(steps) == 4
    assert alone.memory is not None
    assert alone.memory.stages == beside.memory.stages
    assert alone.stats.peak_cached_bytes == beside.stats.peak_cached_bytes > 0
    features = [{name: held.features for name, held in each.stats.stages.items()} for each in (alone, beside)]
    assert features[0] == features[1]
    np.testing.assert_array_equal(plain, counted)


def test_pipelines_of_pipelines_and_those_without_a_bar(family: Any) -> None:
    known, steps = family("pixart"), list[int]()

    class Outer:
        pipe = None

        def __init__(self) -> None:
            self.inner = known.pipe

        def set_progress_bar_config(self, **config: Any) -> None:
            self.inner.set_progress_bar_config(**config)

    before = dict(known.pipe._progress_bar_config)
    with count_steps(Outer(), steps.append):
        known.call()
    assert sum(steps) == known.passes["transformer"].rows
    assert known.pipe._progress_bar_config == before
    with count_steps(object.__new__(type("Bare", (), {})), steps.append):
        pass


def test_the_bar_does_not_make_a_generation_wait_for_previews(
    run: Any, folder: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    class Watched(generation.Generation):
        def __init__(self, *args: Any, **named: Any) -> None:
            given.append(named["previews"])
            super().__init__(*args, **named)

    monkeypatch.setattr("evocache.runtime.runner.Generation", Watched)
    small = ("--height", 32, "--width", 32, "--set", "use_resolution_binning=false", "--set", "clean_caption=false")
    result = run("generate", "fox", "-m", folder, "-s", "fora:2", "--steps", 2, *small, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    settings = ("--set", "use_resolution_binning=false", "--set", "clean_caption=false", "--set", "height=32")
    result = run("inspect", folder, "--stages", "-s", "fora:2", "--steps", 2, *settings, "--set", "width=32")
    assert result.exit_code == 0, result.output
    assert len(given) >= 2
    assert not any(given)

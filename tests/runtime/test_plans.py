"""Memory plans are made anew where a dry run shows something new, and those used last are kept."""

from __future__ import annotations

from typing import Any

import pytest

from evocache import apply
from evocache.runtime.estimate import dry_run, estimate
from tests.tiny import FAMILIES

SIZE: dict[str, Any] = {"height": 64, "width": 64, "use_resolution_binning": False}
CALL: dict[str, Any] = {**SIZE, "prompt": "a red fox", "num_inference_steps": 2, "output_type": "np"}


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """What was worked out for plans."""
    seen = []
    for module, name in ((dry_run, "rehearse"), (estimate, "footprint"), (estimate, "survey")):
        work = getattr(module, name)

        def noted(*args: Any, _work: Any = work, _name: str = name, **kwargs: Any) -> Any:
            seen.append(_name)
            return _work(*args, **kwargs)

        monkeypatch.setattr(module, name, noted)
    return seen


def test_what_changes_nothing_that_is_held_needs_no_new_plan(made):
    pipe = FAMILIES["pixart"].build()
    with apply(pipe, "fora:2", memory="1GB") as handle:
        first = handle.plan(**CALL)
        assert {"rehearse", "footprint"} <= set(made)
        made.clear()
        for change in ({"guidance_scale": 3.3}, {"guidance_scale": 9}, {"eta": 0.5}, {"negative_prompt": "blurry"}):
            assert handle.plan(**{**CALL, **change}) is first
        assert not made
        assert handle.plan(**{**CALL, "guidance_scale": 1.0}) is not first
        assert made.count("footprint") == 1


def test_plans_go_by_what_they_are_made_for(made):
    pipe = FAMILIES["pixart"].build()
    with apply(pipe, "fora:2", memory="1GB") as handle:
        first = handle.plan(**CALL)
        handle.budget = first.peak - 1000
        smaller = handle.plan(**CALL)
        assert smaller.peak <= handle.budget < first.peak
        handle.budget = 10**9
        assert handle.plan(**CALL) is first


def test_plans_that_were_not_used_for_longest_go():
    pipe = FAMILIES["pixart"].build()
    with apply(pipe, "fora:2", memory="1GB") as handle:
        handle._state.plans.most = 8
        first = handle.plan(**CALL)
        for scale in range(2, 30):
            assert handle.plan(**CALL, guidance_scale=scale) is first
            assert len(handle._state.plans) <= 8


def test_longer_prompts_are_planned_anew_where_they_have_more_tokens():
    tiny = FAMILIES["zimage" if "zimage" in FAMILIES else "qwenimage"]
    pipe = tiny.build()
    plans = {}

    with apply(pipe, "fora:2", memory="1GB") as handle:
        for words in (1, 60, 2, 60):
            tiny.call(pipe, steps=2, prompt=" ".join(["fox"] * words))
            plans.setdefault(words, []).append(handle.memory.peak)
    assert plans[60][0] == plans[60][1] > plans[1][0]

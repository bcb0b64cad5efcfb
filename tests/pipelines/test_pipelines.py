"""Caching reaches every pipeline: components are found, schedules save what they promise, and are undone."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from evocache import apply
from evocache.model import Model, discover
from evocache.policies import Policy, parse
from evocache.policies.base import every, uniform
from evocache.policies.steps import outermost
from evocache.schedule import Schedule, Tree
from tests.matrix.observe import reused
from tests.pipelines import KNOWN_WARNINGS, ROWS
from tests.pipelines.row import STEPS, Row
from tests.pipelines.watch import Call, computed, watched

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]


@dataclass(frozen=True)
class Parts(Policy):
    """The largest part of each denoiser at every second step: its span, or its deep part."""

    name: ClassVar[str] = "parts"
    usage: ClassVar[str] = "parts"
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse it at odd steps."""
        return uniform(tree, steps, [c.id for c in outermost(tree)], every(steps, 2))


POLICIES = {"leaves": parse("fora:2"), "parts": Parts()}


@dataclass
class One:
    """A row, built, and what an untouched run of it gives."""

    row: Row
    model: Model = field(init=False)
    reference: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.pipe = self.row.build()
        self.pipe.set_progress_bar_config(disable=True)
        assert type(self.pipe).__name__ == self.row.pipeline
        self.model = discover(self.pipe)
        self.reference = self.row.run(self.pipe)

    def watched(self, policy: Policy) -> tuple[np.ndarray, list[Call], list[bool]]:
        """A run's output, its denoiser calls, and which of them are to compute what the policy acts on."""
        schedule = policy.schedule(self.model.tree, STEPS)
        ids = {c.id for c, runs in zip(schedule.tree, schedule.executed.T, strict=True) if not runs.all()}
        parts = [m for denoiser in self.model.denoisers for m in reused(denoiser, ids)]
        with watched(self.pipe, self.model, parts, self.row.views, self.row.solves) as watch:
            output = self.row.run(self.pipe)
        return output, watch.calls, computed(watch, self.row.late)


@pytest.fixture(params=ROWS, ids=lambda row: row.name, scope="module")
def one(request: pytest.FixtureRequest) -> One:
    """Each pipeline in turn."""
    return One(request.param)


def test_components_are_found(one):
    tree = one.model.tree
    for denoiser in one.model.denoisers:
        mine = [c for c in tree if c.denoiser == denoiser.name]
        assert any(c.is_leaf for c in mine)
        assert len(denoiser.blocks) < 2 or any(c.kind in ("span", "deep") for c in mine)
    assert len(one.reference) and np.isfinite(one.reference).all()


@pytest.mark.parametrize("what", POLICIES)
def test_schedules_save_what_they_promise_and_are_undone(one, what):
    policy = POLICIES[what]
    output, untouched, computes = one.watched(policy)
    assert np.array_equal(output, one.reference), "the pipeline does not repeat itself"
    assert {call.denoiser for call in untouched} == {d.name for d in one.model.denoisers}
    assert not all(computes)

    said = pytest.warns(UserWarning, match=one.row.warns) if one.row.warns else nullcontext()
    with apply(one.pipe, policy) as handle, said:
        output, seen, _ = one.watched(policy)
        executed, calls = handle.stats.executed, handle.stats.calls
        assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes > 0
        assert handle.stats.cached_bytes == 0
        assert np.array_equal(one.row.run(one.pipe), output)
    assert np.isfinite(output).all()
    assert not np.array_equal(output, one.reference)

    assert len(seen) == len(untouched)
    for number, (before, after, computing) in enumerate(zip(untouched, seen, computes, strict=True)):
        assert before.within, "nothing is there to be saved"
        assert after.around == before.around, f"call {number} computes other things besides"
        assert after.within == (before.within if computing else Counter()), f"call {number} of {computes}"
    assert calls == Counter(call.denoiser for call in untouched)
    for denoiser in one.model.denoisers:
        mine = [c for call, c in zip(untouched, computes, strict=True) if call.denoiser == denoiser.name]
        assert min(n for id, n in executed.items() if id.split("/")[0] == denoiser.name) == sum(mine)

    assert np.array_equal(one.row.run(one.pipe), one.reference)

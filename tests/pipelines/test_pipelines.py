"""Caching reaches every pipeline: components are found, schedules save what they promise, and are undone."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from torch import nn

from evocache import apply
from evocache.model import Model, discover
from evocache.policies import Policy, parse
from evocache.policies.base.policy import list_steps
from evocache.policies.static.steps import find_outermost
from evocache.runtime.results.stats import Stats
from evocache.schedule import Schedule, Tree, uniform
from tests.matrix.observe import reused
from tests.pipelines import FAMILY_OF, KNOWN_WARNINGS, ROWS
from tests.pipelines.row import STEPS, Row
from tests.pipelines.watch import Watch, computed, watched

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
        return uniform(tree, steps, [c.id for c in find_outermost(tree)], list_steps(steps, 2))


POLICIES = {"leaves": parse("fora:2"), "parts": Parts()}


@dataclass
class One:
    """A row, built."""

    row: Row

    def __post_init__(self) -> None:
        self.pipe = self.row.build()
        self.pipe.set_progress_bar_config(disable=True)
        assert type(self.pipe).__name__ == self.row.pipeline
        self.model = discover(self.pipe)
        self.groups = {name: self.reused(policy) for name, policy in POLICIES.items()}

    def reused(self, policy: Policy) -> list[nn.Module]:
        """Modules that a policy reuses at some step."""
        schedule = policy.schedule(self.model.tree, STEPS)
        ids = {c.id for c, runs in zip(schedule.tree, schedule.executed.T, strict=True) if not runs.all()}
        return [module for denoiser in self.model.denoisers for module in reused(denoiser, ids)]

    def watched(self) -> tuple[np.ndarray, Watch]:
        """A run's output, and what was seen of it."""
        with watched(self.pipe, self.model, self.groups, self.row.steps) as watch:
            output = self.row.run(self.pipe)
        assert np.isfinite(output).all()
        return output, watch


def parameter(row: Row) -> ParameterSet:
    """Return a row as a parameter; one with a known fault has to fail."""
    marks = [pytest.mark.xfail(reason=row.fault, strict=True)] if row.fault else []
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.table("row", family=lambda row: FAMILY_OF[row.name])
@pytest.mark.parametrize("row", [parameter(row) for row in ROWS])
def test_schedules_save_what_they_promise_and_are_undone(row):
    one = One(row)
    components_are_found(one.model)
    reference, untouched = one.watched()
    assert {call.denoiser for call in untouched.calls} == {d.name for d in one.model.denoisers}
    for name, policy in POLICIES.items():
        said = pytest.warns(UserWarning, match=row.warns) if row.warns else nullcontext()
        with apply(one.pipe, policy) as handle, said:
            output, seen = one.watched()
            if name == "leaves":
                assert np.array_equal(row.run(one.pipe), output)
        assert not np.array_equal(output, reference)
        saves_what_it_promises(name, computed(untouched, row.late, row.anew), untouched, seen, handle.stats)
    assert np.array_equal(row.run(one.pipe), reference)


def components_are_found(model: Model) -> None:
    """Each denoiser has a leaf, and if it has several blocks a span or a deep part."""
    for denoiser in model.denoisers:
        mine = [c for c in model.tree if c.denoiser == denoiser.name]
        assert any(c.is_leaf for c in mine)
        assert len(denoiser.blocks) < 2 or any(c.kind in ("span", "deep") for c in mine)


def saves_what_it_promises(name: str, computes: list[bool], untouched: Watch, seen: Watch, stats: Stats) -> None:
    """Call by call, what is reused does not run where it is not computed, and all else runs as before."""
    assert not all(computes)
    for number, (before, after, all_of_it) in enumerate(zip(untouched.calls, seen.calls, computes, strict=True)):
        assert before.ran(name, within=True), f"call {number} has nothing to be saved"
        assert after.ran(name, within=False) == before.ran(name, within=False), f"call {number}: besides"
        expected = before.ran(name, within=True) if all_of_it else {}
        assert after.ran(name, within=True) == expected, f"{name}: call {number} of {computes}"
    assert stats.calls == Counter(call.denoiser for call in untouched.calls)
    for denoiser in stats.calls:
        mine = [c for call, c in zip(untouched.calls, computes, strict=True) if call.denoiser == denoiser]
        assert min(n for id, n in stats.executed.items() if id.split("/")[0] == denoiser) == sum(mine)
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes > 0
    assert stats.cached_bytes == 0

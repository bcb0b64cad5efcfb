"""Hosts that act on streams between blocks: their acts are neither frozen into residuals nor lost."""

from __future__ import annotations

import pytest
import torch

from evocache import apply
from tests.runtime.steered import Pipe

SPAN = "transformer/blocks[0:4]"
STEPS = 5


def added(pipe: Pipe, step: int) -> torch.Tensor:
    """What the blocks alone added at a step, without the host's signals."""
    model = pipe.transformer
    signals = 4 * 0.25 * (step + 1) if model.how.startswith("host") else 0.0
    return model.exits[step] - model.entries[step] - signals


@pytest.mark.parametrize("how", ["plain", "host adds", "block writes"])
def test_reused_steps_add_what_the_blocks_added(how: str) -> None:
    pipe = Pipe(how)
    with apply(pipe, "steps:0,1,3") as handle:
        pipe(STEPS)
    assert handle.stats.executed[SPAN] == 3
    for reused, computed in ((2, 1), (4, 3)):
        assert torch.allclose(added(pipe, reused), added(pipe, computed), atol=1e-5)
        assert not torch.allclose(added(pipe, reused), torch.zeros(1))


def test_a_host_that_writes_is_noticed_once_and_minded_from_then_on() -> None:
    pipe = Pipe("host writes")
    with apply(pipe, "steps:0,2") as handle:
        pipe(STEPS)
    # What step 0 captured was written into, so step 1 computes; step 2 is captured block by block, and reused.
    assert handle.stats.executed[SPAN] == 3
    for reused in (3, 4):
        assert torch.allclose(added(pipe, reused), added(pipe, 2), atol=1e-5)


def test_a_block_that_writes_into_its_input_is_noticed_once() -> None:
    pipe, plain = Pipe("block writes"), Pipe("plain")
    with apply(pipe, "steps:0,2") as handle, apply(plain, "steps:0,1,2"):
        written, expected = pipe(STEPS), plain(STEPS)
    assert handle.stats.executed[SPAN] == 3
    assert torch.allclose(written, expected, atol=1e-5)


@pytest.mark.parametrize("how", ["plain", "host adds", "host writes", "block writes"])
def test_all_compute_changes_nothing(how: str) -> None:
    untouched = Pipe(how)(STEPS)
    pipe = Pipe(how)
    with apply(pipe, "none"):
        assert torch.equal(pipe(STEPS), untouched)


def test_the_timestep_tells_the_step_of_a_pipeline_that_solves_by_itself() -> None:
    pipe = Pipe("plain", solves_itself=True)
    with apply(pipe, "steps:0,1,3") as handle:
        pipe(STEPS)
    assert handle.stats.executed[SPAN] == 3
    assert handle.stats.calls == {"transformer": STEPS}
    assert torch.allclose(added(pipe, 2), added(pipe, 1), atol=1e-6)

"""Denoiser calls of one generation that come in several streams; stand-ins for streams are on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from evocache import apply
from evocache.memory import device_streams
from tests.memory.offload.stand_in_streams import StandIns
from tests.runtime.loops import streamed
from tests.tiny import FAMILIES


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> StandIns:
    made = StandIns()
    monkeypatch.setattr(device_streams, "streams_of", lambda device: made)
    return made


@pytest.fixture(scope="module")
def pipe() -> Any:
    return FAMILIES["pixart"].build()


@pytest.fixture
def computed(pipe: Any, streams: StandIns) -> Iterator[list[int]]:
    """Numbers of the streams in which a block computed."""
    seen: list[int] = []
    block = pipe.transformer.transformer_blocks[0]
    hook = block.register_forward_pre_hook(lambda *_: seen.append(streams.current().number))
    yield seen
    hook.remove()


@pytest.mark.parametrize("spec", ["fora:2", "fbcache:0.3", "taylorseer:2,1"])
def test_a_loop_that_goes_on_in_other_streams_computes_in_its_first(pipe, streams, computed, spec):
    with apply(pipe, spec) as handle:
        expected = [*streamed(handle)]
        assert streams.log == []
        count = len(computed)
        others = [streams.first, streams.new(), streams.new(), streams.first]
        loop, pools = streamed(handle), [ThreadPoolExecutor(1) for _ in others]

        def go_on(stream: Any) -> torch.Tensor:
            with streams.within(stream):
                return next(loop)

        for pool, stream, whole in zip(pools, others, expected, strict=True):
            assert torch.equal(pool.submit(go_on, stream).result(), whole)
        loop.close()
        for pool in pools:
            pool.shutdown()
    assert computed == [0] * 2 * count
    assert streams.log == [line for n in (1, 2) for line in (f"0 waits for {n}", f"{n} waits for 0", f"{n} records 1")]


def test_a_call_that_fails_is_waited_for(pipe, streams):
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with apply(pipe, "fora:2") as handle:
        loop, other = streamed(handle), streams.new()
        next(loop)
        hook = pipe.transformer.transformer_blocks[0].register_forward_pre_hook(fail)
        with pytest.raises(KeyboardInterrupt), streams.within(other):
            next(loop)
        hook.remove()
    assert streams.log == ["0 waits for 1", "1 waits for 0"]
    assert streams.current() is streams.first


def test_a_device_without_streams_is_not_asked_for_them(pipe, monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_stream", pytest.fail)
    with apply(pipe, "fora:2") as handle:
        assert len([*streamed(handle)]) == 4

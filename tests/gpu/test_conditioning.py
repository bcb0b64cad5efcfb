"""What is held of encoders waits on the host, and comes back to the device."""

from __future__ import annotations

from typing import Any

import torch

from evocache.serve.engine.engine import Engine
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments


def test_what_is_held_of_encoders_comes_back_to_the_bit(device: torch.device) -> None:
    tiny = FAMILIES["sdxl"]
    pipe = tiny.build().to(device)
    pipe.set_progress_bar_config(disable=True)

    def given() -> dict[str, Any]:
        return {**arguments(tiny, pipe, seed=0, steps=2), "output_type": "latent"}

    expected = pipe(**given()).images
    with Engine({"m": pipe}, memory="1GB", conditioning="8MB") as engine:
        found = [engine.submit(**given()).result(60).images for _ in range(3)]
        assert engine.figures.conditioning_hits == 2 * engine.figures.conditioning_misses > 0
        held = [held for each in engine._loop.conductor.kept._held.values() for held in each.output.memories]
        assert {memory.device.type for memory in held} == {"cpu"}
    for each in found:
        assert each.device == expected.device
        assert torch.equal(expected, each)

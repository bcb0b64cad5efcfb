"""What is changed in modules is seen at the next look, whatever it is, and given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peft
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.utils.peft_utils import scale_lora_layers, unscale_lora_layers
from torch import nn

from evocache import apply
from evocache.runtime.attach.interception import attach, detach, intercept_entry, intercept_part
from evocache.serve.engine.isolation.shared_changes import TURNS, SharedState
from tests.serve.calls import tensors
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments

SD15 = FAMILIES["sd15"]


def doubled(forward: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: 2 * forward(*args, **kwargs)


def put(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def written(tensor: torch.Tensor) -> None:
    with torch.no_grad():
        tensor.add_(1)


SEEN_AT_ONCE: dict[str, Callable[[Any], object]] = {
    "processors": lambda pipe: pipe.unet.set_attn_processor(AttnProcessor()),
    "type": lambda pipe: pipe.vae.to(torch.bfloat16),
    "type of a part": lambda pipe: pipe.vae.decoder.mid_block.to(torch.float64),
    "config attribute": lambda pipe: put(pipe.unet.config, "center_input_sample", True),
    "config entry": lambda pipe: pipe.unet.config.__setitem__("center_input_sample", True),
    "config": lambda pipe: pipe.unet.register_to_config(center_input_sample=True),
    "config of a text encoder": lambda pipe: put(pipe.text_encoder.config, "eos_token_id", 7),
    "slices": lambda pipe: pipe.vae.enable_slicing(),
    "tiles": lambda pipe: pipe.vae.enable_tiling(),
    "FreeU": lambda pipe: pipe.unet.enable_freeu(0.9, 0.2, 1.2, 1.4),
    "training": lambda pipe: pipe.unet.train(),
    "hook": lambda pipe: pipe.unet.mid_block.register_forward_hook(lambda module, args, output: output * 2),
    "forward": lambda pipe: put(pipe.unet.mid_block, "forward", doubled(pipe.unet.mid_block.forward)),
    "module": lambda pipe: put(pipe.unet, "conv_out", nn.Conv2d(8, 4, 3, padding=1)),
    "module of a list": lambda pipe: pipe.unet.down_blocks.__setitem__(0, pipe.unet.down_blocks[1]),
    "LoRA": lambda pipe: pipe.unet.add_adapter(lora(["to_q"]), "style"),
    "fused projections": lambda pipe: pipe.unet.fuse_qkv_projections(),
    "attention slices": lambda pipe: pipe.unet.set_attention_slice(1),
}
"""Changes, each of which has to be seen at the hand-over after it."""

SEEN_IN_TURNS: dict[str, Callable[[Any], object]] = {
    "weight": lambda pipe: put(pipe.unet.conv_out, "bias", nn.Parameter(torch.ones(4))),
    "weight's data": lambda pipe: put(pipe.unet.conv_out.bias, "data", torch.ones(4)),
    "forward of a layer": lambda pipe: put(pipe.unet.conv_in, "forward", doubled(pipe.unet.conv_in.forward)),
    "buffer": lambda pipe: put(pipe.text_encoder.embeddings, "position_ids", torch.zeros(1, 16, dtype=torch.long)),
    "numbers of a buffer": lambda pipe: pipe.text_encoder.embeddings.position_ids.zero_(),
    "number": lambda pipe: put(pipe.unet.mid_block.resnets[0], "output_scale_factor", 3.0),
}
"""Changes of a single layer, which have to be seen within `TURNS` hand-overs and at the end of the call."""


def lora(targets: list[str]) -> Any:
    return peft.LoraConfig(r=2, lora_alpha=4, target_modules=targets, init_lora_weights=False)


@pytest.fixture
def pipe() -> Any:
    return SD15.build()


def call(pipe: Any) -> list[torch.Tensor]:
    return tensors(pipe(**arguments(SD15, pipe, steps=1)))


@pytest.mark.parametrize("change", [*SEEN_AT_ONCE, *SEEN_IN_TURNS])
def test_a_change_is_seen_and_given_back(pipe: Any, change: str) -> None:
    expected, state = call(pipe), SharedState(pipe)
    assert not any(state.changed for _ in range(2 * TURNS))
    assert not state.left_changed
    {**SEEN_AT_ONCE, **SEEN_IN_TURNS}[change](pipe)
    seen = [state.changed for _ in range(TURNS)]
    assert seen[0] if change in SEEN_AT_ONCE else any(seen), list(state.differences())
    assert state.left_changed
    assert list(state.differences())
    assert state.restore() == []
    assert not state.left_changed
    assert not any(state.changed for _ in range(TURNS))
    assert all(one.equal(other) for one, other in zip(expected, call(pipe), strict=True))
    {**SEEN_AT_ONCE, **SEEN_IN_TURNS}[change](pipe)  # and a second time
    assert state.left_changed


LORA: dict[str, Callable[[Any], object]] = {
    "weights": lambda pipe: pipe.unet.set_adapters(["style"], [0.3]),
    "choice": lambda pipe: pipe.unet.set_adapters(["other"]),
    "disabled": lambda pipe: pipe.unet.disable_adapters(),
    "scale": lambda pipe: scale_lora_layers(pipe.unet, 0.3),
    "deleted": lambda pipe: pipe.unet.delete_adapters(["other"]),
}


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
@pytest.mark.parametrize("change", LORA)
def test_changes_of_adapters(pipe: Any, change: str) -> None:
    for name in ("style", "other"):
        pipe.unet.add_adapter(lora(["to_q", "to_v"]), name)
    pipe.unet.set_adapters(["style"])
    expected, state = call(pipe), SharedState(pipe)
    LORA[change](pipe)
    assert state.changed
    assert state.restore() == []
    assert not state.left_changed
    assert all(one.equal(other) for one, other in zip(expected, call(pipe), strict=True))


def test_what_is_undone_is_no_change(pipe: Any) -> None:
    pipe.unet.add_adapter(lora(["to_q"]), "style")
    state = SharedState(pipe)
    scale_lora_layers(pipe.unet, 0.5)
    assert state.changed
    unscale_lora_layers(pipe.unet, 0.5)
    pipe.vae.enable_tiling()
    pipe.vae.disable_tiling()
    assert not state.left_changed


def test_weights_that_were_written_into_are_told(pipe: Any) -> None:
    pipe.unet.add_adapter(lora(["to_q"]), "style")
    state = SharedState(pipe)
    pipe.unet.fuse_lora()
    assert state.changed
    left = state.restore()
    assert left
    assert all(path.startswith("unet.") and path.endswith("merged_adapters") for path in left)
    merged = [module.merged_adapters for module in pipe.unet.modules() if hasattr(module, "merged_adapters")]
    assert all(merged)  # the layers go on saying what their weights hold
    state.refresh()
    assert not state.left_changed
    written(pipe.unet.conv_in.weight)
    assert any(state.changed for _ in range(TURNS))
    assert state.restore() == ["unet.conv_in.weight"]


def test_what_is_ours_is_no_change(pipe: Any) -> None:
    state = SharedState(pipe)
    with apply(pipe, "fora:2"):
        attach(pipe.unet, intercept_entry)
        attach(pipe.unet.conv_in, intercept_part)
        assert not state.left_changed
        seen: list[bool] = []
        pipe(**arguments(SD15, pipe), callback_on_step_end=lambda *_: seen.append(state.left_changed) or {})
        detach(pipe.unet.conv_in)
        detach(pipe.unet)
    assert seen == [False] * 4
    assert not state.left_changed


@pytest.mark.parametrize("name", ["wan", "easyanimate", "qwenimage", "hunyuan_video", "mochi", "ltx"])
def test_caches_of_modules_are_their_own(name: str) -> None:
    """Video autoencoders keep frames between the parts that they decode."""
    tiny, pipe = FAMILIES[name], FAMILIES[name].build()
    state = SharedState(pipe)
    pipe(**arguments(tiny, pipe, steps=2))
    assert not state.left_changed, list(state.differences())

"""The probe's figures against closed formulas and independent sums."""

from __future__ import annotations

import pytest
import torch
from diffusers import FluxTransformer2DModel, PixArtTransformer2DModel, UNet2DConditionModel

from evocache.errors import PipelineError
from evocache.model import Denoiser, Shape, discover, make_example_inputs, probe, probe_pipeline
from evocache.policies import parse
from tests.tiny import FAMILIES


def on_meta(make: type[torch.nn.Module], **config: object) -> tuple[torch.nn.Module, Denoiser]:
    with torch.device("meta"):
        module = make(**config)
    return module, discover(module).denoisers[0]


@pytest.mark.parametrize(("side", "text"), [(256, 120), (256, 300), (512, 120)])
def test_pixart_flops_agree_with_the_closed_formula(side: int, text: int) -> None:
    module, denoiser = on_meta(
        PixArtTransformer2DModel,
        sample_size=32,
        num_layers=28,
        caption_channels=4096,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=1152,
    )
    measures = probe(denoiser, (), make_example_inputs(module, Shape(side, side, text_tokens=text)), repeats=0)
    tokens, width = (side // 16) ** 2, 1152
    own = 4 * tokens * width**2 + 2 * tokens**2 * width
    cross = 2 * tokens * width**2 + 2 * text * width**2 + 2 * tokens * text * width
    feed_forward = 8 * tokens * width**2
    block = 2 * (own + cross + feed_forward)
    assert measures["denoiser/transformer_blocks.0.attn1"].flops == 2 * own
    assert measures["denoiser/transformer_blocks.27.attn2"].flops == 2 * cross
    assert measures["denoiser/transformer_blocks.5.ff"].flops == 2 * feed_forward
    assert measures["denoiser/blocks[0:28]"].flops == 28 * block
    caption = 2 * text * (4096 * width + width**2)
    patches = 2 * tokens * width * (16 + 32)
    time = 2 * (256 * width + width**2 + 6 * width**2)
    assert measures["denoiser"].flops == 28 * block + caption + patches + time
    assert measures["denoiser/transformer_blocks.0.attn1"].bytes == tokens * width * 4


def test_flux_flops_agree_with_the_closed_formula() -> None:
    module, denoiser = on_meta(FluxTransformer2DModel, guidance_embeds=True)
    measures = probe(denoiser, (), make_example_inputs(module, Shape(256, 256, text_tokens=512)), repeats=0)
    image, text, width = 256, 512, 3072
    tokens = image + text
    double = 2 * (4 * tokens * width**2 + 2 * tokens**2 * width + 8 * tokens * width**2)
    modulation = 2 * 6 * width**2 * 2
    single = 2 * (3 * tokens * width**2 + 2 * tokens**2 * width + 4 * tokens * width**2 + 5 * tokens * width**2)
    assert measures["denoiser/blocks[0:57]"].flops == 19 * (double + modulation) + 38 * (single + modulation // 4)
    assert measures["denoiser/single_transformer_blocks.0.proj_out"].flops == 2 * 5 * tokens * width**2
    assert measures["denoiser"].flops == pytest.approx(19 * double + 38 * single, rel=0.01)


def test_deep_parts_of_a_unet_nest() -> None:
    module, denoiser = on_meta(UNet2DConditionModel, cross_attention_dim=768)
    measures = probe(denoiser, (), make_example_inputs(module, Shape(512, 512)), repeats=0)
    flops = [measures[f"denoiser/deep[{depth}]"].flops for depth in range(12)]
    assert flops == sorted(flops, reverse=True)
    assert measures["denoiser"].flops == pytest.approx(2 * 401.6e9, rel=0.005)  # SD1.5 at 512x512 is 402 GMAC
    assert measures["denoiser/deep[0]"].bytes == 320 * 64 * 64 * 4


def test_exclusive_costs_add_up_and_price_a_schedule() -> None:
    tiny = FAMILIES["pixart"]
    pipe = tiny.build()
    figures = probe_pipeline(pipe, tiny_call(), repeats=1)
    own = figures.exclusive("flops")
    assert sum(own.values()) == figures.measures["transformer"].flops
    tree = figures.model.tree
    schedule = parse("steps:0,5").schedule(tree, 10)
    outside = own["transformer"]
    assert schedule.cost(own) == 2 * sum(own.values()) + 8 * outside
    assert min(figures.exclusive("seconds").values()) >= 0


def test_a_probe_leaves_no_hooks() -> None:
    pipe = FAMILIES["pixart"].build()
    probe_pipeline(pipe, tiny_call(), repeats=0)
    for module in pipe.transformer.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_unknown_arguments_are_named() -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, wavelength: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            return wavelength

    with pytest.raises(PipelineError, match="wavelength"):
        make_example_inputs(Odd(), Shape(64, 64))


def test_times_of_an_untimed_probe_are_refused() -> None:
    pipe = FAMILIES["pixart"].build()
    with pytest.raises(PipelineError, match="without times"):
        probe_pipeline(pipe, tiny_call(), repeats=0).exclusive("seconds")


def tiny_call() -> dict[str, object]:
    return {"prompt": "a cat", "height": 32, "width": 32, "use_resolution_binning": False, "clean_caption": False}

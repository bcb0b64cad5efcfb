"""FLUX.1: double blocks that keep text and image apart, then single blocks that join them."""

from dataclasses import replace

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)

from tests.tiny.base import PROMPT, Tiny, caller, picture, seeded
from tests.tiny.parts import clip_text, image_vae, t5_text
from tests.tiny.tokenizers import MAX_LENGTH, clip_tokenizer, t5_tokenizer


def flux_transformer() -> FluxTransformer2DModel:
    """2 double and 3 single blocks; guidance is an embedding, as in FLUX.1-dev."""
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=3,
        num_attention_heads=2,
        attention_head_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 6, 6),
        guidance_embeds=True,
    )


@seeded
def build_flux() -> FluxPipeline:
    """FLUX.1 with dynamic shifting of its timesteps."""
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=image_vae(shift_factor=0.1),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_text(),
        tokenizer_2=t5_tokenizer(),
        transformer=flux_transformer(),
    )


@seeded
def build_flux_img2img() -> FluxImg2ImgPipeline:
    """FLUX.1 from a picture, on the parts of `flux`."""
    return FluxImg2ImgPipeline(**build_flux().components)


EMBEDDED = {"guidance_scale": 3.5}
NO_CFG = {"guidance_scale": 1.0}
ALWAYS = {"prompt": PROMPT, "height": 32, "width": 32, "max_sequence_length": MAX_LENGTH}

FLUX = Tiny(
    "flux",
    build_flux,
    # Guidance is embedded; `true_cfg_scale` and `negative_prompt` would add a second, sequential pass.
    caller(EMBEDDED, NO_CFG, **ALWAYS),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=5,
    block_lists=("transformer.transformer_blocks", "transformer.single_transformer_blocks"),
)
FLUX_IMG2IMG = replace(
    FLUX,
    name="flux_img2img",
    build=build_flux_img2img,
    # The first of four steps is left out.
    call=caller(EMBEDDED, NO_CFG, **ALWAYS, image=picture(), strength=0.7),
)

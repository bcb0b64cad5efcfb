"""U-Nets for images."""

from dataclasses import replace

from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, picture, seeded
from tests.tiny.parts import clip_text, clip_text_projected, image_vae
from tests.tiny.tokenizers import clip_tokenizer


def sd_unet() -> UNet2DConditionModel:
    """The four levels of Stable Diffusion 1.5, with one resnet a block, on latents of 16x16; `sdxl` has two."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16, 16, 16),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def sd_scheduler() -> DDIMScheduler:
    """DDIM as Stable Diffusion configures it."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


@seeded
def build_sd15() -> StableDiffusionPipeline:
    """Stable Diffusion 1.5 without its safety checker."""
    return StableDiffusionPipeline(
        vae=image_vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=sd_unet(),
        scheduler=sd_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@seeded
def build_sd15_img2img() -> StableDiffusionImg2ImgPipeline:
    """Stable Diffusion 1.5 from a picture, on the parts of `sd15`."""
    return StableDiffusionImg2ImgPipeline(**build_sd15().components, requires_safety_checker=False)


@seeded
def build_sdxl() -> StableDiffusionXLPipeline:
    """Stable Diffusion XL: three levels, two transformer layers at the deepest, pooled text and sizes."""
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=2,
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(1, 2, 2),
        cross_attention_dim=32,
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + 6 * 8,
    )
    return StableDiffusionXLPipeline(
        vae=image_vae(),
        text_encoder=clip_text(width=16),
        text_encoder_2=clip_text_projected(width=16, projection=16),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(pad_token="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )


SIZE = {"height": 32, "width": 32}
CFG = {"guidance_scale": 4.0, "negative_prompt": NEGATIVE}
NO_CFG = {"guidance_scale": 1.0}

SD15 = Tiny(
    "sd15",
    build_sd15,
    caller(CFG, NO_CFG, prompt=PROMPT, **SIZE),
    denoisers=("unet",),
    kind="unet",
    calls_per_step=1,
    blocks=0,
)
SD15_IMG2IMG = replace(
    SD15,
    name="sd15_img2img",
    build=build_sd15_img2img,
    # The first of four steps is left out.
    call=caller(CFG, NO_CFG, prompt=PROMPT, image=picture(), strength=0.75),
)
SDXL = Tiny(
    "sdxl",
    build_sdxl,
    caller(CFG, NO_CFG, prompt=PROMPT, **SIZE),
    denoisers=("unet",),
    kind="unet",
    calls_per_step=1,
    blocks=0,
)

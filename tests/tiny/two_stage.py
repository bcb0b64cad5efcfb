"""Pipelines of two stages, a prior and a decoder, each with a denoiser and a scheduler."""

from diffusers import (
    DDPMScheduler,
    DDPMWuerstchenScheduler,
    KandinskyV22CombinedPipeline,
    PriorTransformer,
    StableCascadeCombinedPipeline,
    StableCascadeUNet,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.parts import clip_text_projected, clip_vision_config
from tests.tiny.tokenizers import MAX_LENGTH, clip_tokenizer


def cascade_unet(channels: int, **conditions: int) -> StableCascadeUNet:
    """Two levels of residual, timestep and attention blocks; only the second attends."""
    return StableCascadeUNet(
        in_channels=channels,
        out_channels=channels,
        timestep_ratio_embedding_dim=16,
        conditioning_dim=32,
        block_out_channels=(16, 32),
        num_attention_heads=(-1, 2),
        down_num_layers_per_block=(2, 2),
        up_num_layers_per_block=(2, 2),
        down_blocks_repeat_mappers=(1, 1),
        up_blocks_repeat_mappers=(1, 1),
        block_types_per_layer=(
            ("SDCascadeResBlock", "SDCascadeTimestepBlock"),
            ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),
        ),
        clip_text_pooled_in_channels=32,
        clip_seq=2,
        **conditions,
    )


@seeded
def build_stable_cascade() -> StableCascadeCombinedPipeline:
    """Stable Cascade, both stages."""
    return StableCascadeCombinedPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip_text_projected(),
        decoder=cascade_unet(4, patch_size=1, effnet_in_channels=8, pixel_mapper_in_channels=3),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=PaellaVQModel(bottleneck_blocks=1, embed_dim=16, num_vq_embeddings=32),
        prior_prior=cascade_unet(8, clip_text_in_channels=32, clip_image_in_channels=32),
        prior_text_encoder=clip_text_projected(),
        prior_tokenizer=clip_tokenizer(),
        prior_scheduler=DDPMWuerstchenScheduler(),
    )


@seeded
def build_kandinsky22() -> KandinskyV22CombinedPipeline:
    """Kandinsky 2.2, both stages: a prior transformer, then a U-Net conditioned by an image embedding."""
    prior = PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=4,
        embedding_dim=32,
        num_embeddings=MAX_LENGTH,
    )
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=2,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=8,
        resnet_time_scale_shift="scale_shift",
        class_embed_type=None,
        encoder_hid_dim=32,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
    )
    movq = VQModel(
        block_out_channels=(32, 32, 32, 32),  # its spatial norms fix 32 groups
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        num_vq_embeddings=32,
        norm_num_groups=4,
        vq_embed_dim=4,
        norm_type="spatial",
    )
    return KandinskyV22CombinedPipeline(
        unet=unet,
        scheduler=DDPMScheduler(beta_schedule="linear", beta_start=0.00085, beta_end=0.012),
        movq=movq,
        prior_prior=prior,
        prior_image_encoder=CLIPVisionModelWithProjection(clip_vision_config(projection=32)),
        prior_text_encoder=clip_text_projected(),
        prior_tokenizer=clip_tokenizer(),
        prior_scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0
        ),
        prior_image_processor=CLIPImageProcessor(),
    )


STABLE_CASCADE = Tiny(
    "stable_cascade",
    build_stable_cascade,
    caller(
        {"prior_guidance_scale": 4.0, "decoder_guidance_scale": 2.0, "negative_prompt": NEGATIVE},
        {"prior_guidance_scale": 1.0, "decoder_guidance_scale": 0.0},
        prompt=PROMPT,
        prior_num_inference_steps=3,
        height=128,
        width=128,
    ),
    denoisers=("prior_prior", "decoder"),
    kind="unet",
    calls_per_step=1,
    blocks=0,
    block_lists=(
        "prior_prior.down_blocks.1",
        "prior_prior.up_blocks.0",
        "decoder.down_blocks.1",
        "decoder.up_blocks.0",
    ),
)
KANDINSKY22 = Tiny(
    "kandinsky22",
    build_kandinsky22,
    caller(
        {"prior_guidance_scale": 4.0, "guidance_scale": 4.0, "negative_prompt": NEGATIVE},
        {"prior_guidance_scale": 1.0, "guidance_scale": 1.0},
        prompt=PROMPT,
        prior_num_inference_steps=3,
        height=64,
        width=64,
    ),
    denoisers=("prior_prior", "unet"),
    kind="unet",
    calls_per_step=1,
    blocks=4,
    block_lists=("prior_prior.transformer_blocks",),
)

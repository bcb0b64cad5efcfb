"""U-Nets for video: two levels, with and without attention, since frames make them slow enough."""

from dataclasses import replace

from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    EulerDiscreteScheduler,
    MotionAdapter,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet2DConditionModel,
    UNet3DConditionModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, picture, seeded
from tests.tiny.image_unet import sd_scheduler
from tests.tiny.parts import clip_text, clip_vision_config, image_vae
from tests.tiny.tokenizers import clip_tokenizer


@seeded
def build_svd() -> StableVideoDiffusionPipeline:
    """Stable Video Diffusion; 32 channels throughout, since its temporal resnets fix 32 norm groups."""
    unet = UNetSpatioTemporalConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        num_attention_heads=(2, 2),
        cross_attention_dim=16,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=3 * 8,
    )
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        layers_per_block=1,
        sample_size=32,
    )
    return StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=CLIPVisionModelWithProjection(clip_vision_config()),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            use_karras_sigmas=True,
            sigma_min=0.002,
            sigma_max=700.0,
            timestep_spacing="leading",
            timestep_type="continuous",
            steps_offset=1,
        ),
        feature_extractor=CLIPImageProcessor(),
    )


@seeded
def build_animatediff() -> AnimateDiffPipeline:
    """AnimateDiff: a U-Net as that of `sd15`, of two levels, with motion modules in every block."""
    unet = UNet2DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    adapter = MotionAdapter(
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        motion_max_seq_length=8,
    )
    return AnimateDiffPipeline(
        vae=image_vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=UNetMotionModel.from_unet2d(unet, adapter),
        motion_adapter=adapter,
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="linear",
            clip_sample=False,
            timestep_spacing="linspace",
            steps_offset=1,
        ),
    )


@seeded
def build_text_to_video_sd() -> TextToVideoSDPipeline:
    """ModelScope text-to-video: convolutions and attention over time after each over space."""
    unet = UNet3DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    return TextToVideoSDPipeline(
        vae=image_vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=sd_scheduler(),
    )


SIZE = {"height": 32, "width": 32}
CFG = {"guidance_scale": 4.0, "negative_prompt": NEGATIVE}
NO_CFG = {"guidance_scale": 1.0}

SVD = Tiny(
    "svd",
    build_svd,
    # Guidance grows from the first frame to the last.
    caller(
        {"max_guidance_scale": 3.0},
        {"max_guidance_scale": 1.0},
        image=picture(),
        num_frames=5,
        decode_chunk_size=2,
        **SIZE,
    ),
    denoisers=("unet",),
    kind="unet",
    calls_per_step=1,
    blocks=0,
)
ANIMATEDIFF = Tiny(
    "animatediff",
    build_animatediff,
    caller(CFG, NO_CFG, prompt=PROMPT, num_frames=6, **SIZE),
    denoisers=("unet",),
    kind="unet",
    calls_per_step=1,
    blocks=0,
)
TEXT_TO_VIDEO_SD = replace(
    ANIMATEDIFF,
    name="text_to_video_sd",
    build=build_text_to_video_sd,
)

"""U-Nets for video."""

import numpy as np
import PIL.Image
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    EulerDiscreteScheduler,
    MotionAdapter,
    StableVideoDiffusionPipeline,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.image_unet import sd_unet
from tests.tiny.parts import clip_text, image_vae
from tests.tiny.tokenizers import clip_tokenizer


def picture() -> PIL.Image.Image:
    """A picture to start from: two colour ramps."""
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    return PIL.Image.fromarray(np.stack([red, green, 255 - red], axis=-1))


@seeded
def build_svd() -> StableVideoDiffusionPipeline:
    """Stable Video Diffusion; 32 channels throughout, since its temporal resnets fix 32 norm groups."""
    unet = UNetSpatioTemporalConditionModel(
        sample_size=16,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=2,
        num_attention_heads=(2, 2, 2, 2),
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
    # The pipeline resizes its picture to 224x224, whatever the encoder asks for.
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=112,
    )
    return StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=CLIPVisionModelWithProjection(vision),
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
    """AnimateDiff: the U-Net of `sd15` with motion modules in every block."""
    adapter = MotionAdapter(
        block_out_channels=(8, 16, 16, 16),
        motion_layers_per_block=2,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        motion_max_seq_length=8,
    )
    return AnimateDiffPipeline(
        vae=image_vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=UNetMotionModel.from_unet2d(sd_unet(), adapter),
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


SIZE = {"height": 32, "width": 32}

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
    caller(
        {"guidance_scale": 4.0, "negative_prompt": NEGATIVE},
        {"guidance_scale": 1.0},
        prompt=PROMPT,
        num_frames=6,
        **SIZE,
    ),
    denoisers=("unet",),
    kind="unet",
    calls_per_step=1,
    blocks=0,
)

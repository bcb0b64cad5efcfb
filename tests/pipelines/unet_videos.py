"""U-Nets for video, and what estimates depth and the like with the U-Net of Stable Diffusion."""

from __future__ import annotations

import functools
from typing import Any

from diffusers import (
    ControlNetModel,
    MotionAdapter,
    SparseControlNetModel,
    UNetMotionModel,
)

from tests.pipelines import stable_diffusion, stable_diffusion_xl
from tests.pipelines.row import Kit, Parts, denoiser, of
from tests.pipelines.stable_diffusion import BETAS, LEVELS, image_encoder, small_unet
from tests.tiny import FAMILIES
from tests.tiny.base import NEGATIVE, PROMPT, picture

FRAMES = [picture().rotate(3 * angle) for angle in range(2)]
CALL: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 4.0,
    "height": 32,
    "width": 32,
    "num_frames": 2,
    "video": FRAMES,
    "image": picture(),
    "conditioning_frames": FRAMES,
    "strength": 0.75,
}
MOTION: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "motion_layers_per_block": 1,
    "motion_norm_num_groups": 4,
    "motion_num_attention_heads": 2,
    "motion_max_seq_length": 8,
}


def animated(unet: Any, **changes: Any) -> Parts:
    """A U-Net with motion modules."""
    adapter = MotionAdapter(**{**MOTION, **changes})
    unet_with_motion = UNetMotionModel.from_unet2d(unet, adapter)
    return {"unet": unet_with_motion, "motion_adapter": adapter, **of("DDIMScheduler", **BETAS, clip_sample=False)()}


def animatediff() -> Parts:
    """AnimateDiff on the small Stable Diffusion."""
    return {**stable_diffusion.KIT.parts(), **animated(small_unet())}


def animatediff_xl() -> Parts:
    """AnimateDiff on the small Stable Diffusion XL."""
    return {**stable_diffusion_xl.KIT.parts(), **animated(stable_diffusion_xl.small_unet())}


def from_image() -> Parts:
    """PIA: the picture and its mask are further channels."""
    return animated(small_unet(), conv_in_channels=9)


@functools.cache
def controlnet() -> Parts:
    """A ControlNet for pictures, used for frames."""
    types = {name: value for name, value in stable_diffusion.TYPES.items() if name != "up_block_types"}
    return {"controlnet": ControlNetModel(**LEVELS, **types, conditioning_embedding_out_channels=(8, 8))}


def sparse() -> Parts:
    """A ControlNet that is shown some frames only."""
    types = {
        "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
        "cross_attention_dim": 32,
        "attention_head_dim": 2,
        "motion_num_attention_heads": 2,
        "motion_max_seq_length": 8,
    }
    net = SparseControlNetModel(
        in_channels=4,
        conditioning_channels=3,
        **LEVELS,
        **types,
        conditioning_embedding_out_channels=(8, 8),
        use_simplified_condition_embedding=False,
    )
    return {"controlnet": net}


def i2vgen() -> Parts:
    """I2VGen-XL."""
    return {"unet": denoiser("I2VGenXLUNet", cross_attention_dim=32, layers_per_block=1), **image_encoder()}


def svd() -> Parts:
    """Stable Video Diffusion."""
    unet = denoiser(
        "UNetSpatioTemporalConditionModel",
        in_channels=8,
        block_out_channels=(32, 32),
        layers_per_block=1,
        num_attention_heads=2,
        cross_attention_dim=16,
    )
    return {**FAMILIES["svd"].build().components, "unet": unet}


ANIMATEDIFF = Kit(animatediff, CALL)
ANIMATEDIFF_XL = Kit(animatediff_xl, CALL)
MODELSCOPE = Kit(
    lambda: {
        **stable_diffusion.KIT.parts(),
        "unet": denoiser("UNet3DConditionModel", cross_attention_dim=32, layers_per_block=1),
    },
    CALL,
)
SVD = Kit(svd, {**CALL, "decode_chunk_size": 2})
MARIGOLD = Kit(
    lambda: {**stable_diffusion.KIT.parts(), "unet": small_unet(in_channels=8)},
    {"image": picture(), "processing_resolution": 0, "match_input_resolution": False, "ensemble_size": 1},
)
PERTURBED = {"pag_scale": 2.0}


def intrinsics() -> Parts:
    """Predicts two pictures at once."""
    unet = small_unet(in_channels=12, out_channels=8)
    targets = {"target_names": ["albedo", "shading"], "albedo": {"prediction_space": "srgb", "up_to_scale": False}}
    return {
        "unet": unet,
        "target_properties": {**targets, "shading": {"prediction_space": "linear", "up_to_scale": True}},
    }


ROWS = (
    ANIMATEDIFF.row("AnimateDiffPipeline"),
    ANIMATEDIFF.row(
        "AnimateDiffPipeline",
        {"num_frames": 4},
        after=lambda pipe: pipe.enable_free_noise(context_length=2, context_stride=1),
        variant="FreeNoise",
    ),
    ANIMATEDIFF.row("AnimateDiffControlNetPipeline", parts=controlnet),
    ANIMATEDIFF.row("AnimateDiffSparseControlNetPipeline", {"conditioning_frames": FRAMES[:1]}, parts=sparse),
    ANIMATEDIFF.row("AnimateDiffVideoToVideoPipeline", late=1),
    ANIMATEDIFF.row("AnimateDiffVideoToVideoControlNetPipeline", parts=controlnet, late=1),
    ANIMATEDIFF.row("AnimateDiffPAGPipeline", PERTURBED),
    ANIMATEDIFF_XL.row("AnimateDiffSDXLPipeline", {"guidance_rescale": 0.7}),
    ANIMATEDIFF.row("PIAPipeline", {"strength": 1.0}, parts=from_image),
    MODELSCOPE.row("TextToVideoSDPipeline"),
    MODELSCOPE.row("VideoToVideoSDPipeline", late=1),
    MODELSCOPE.row("I2VGenXLPipeline", {"clip_skip": None}, parts=i2vgen),
    SVD.row("StableVideoDiffusionPipeline"),
    MARIGOLD.row("MarigoldDepthPipeline", parts=lambda: {"prediction_type": "depth"}),
    MARIGOLD.row("MarigoldNormalsPipeline", parts=lambda: {"prediction_type": "normals"}),
    MARIGOLD.row("MarigoldIntrinsicsPipeline", parts=intrinsics),
)

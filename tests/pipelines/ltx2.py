"""LTX-2: a video and its sound are denoised together; a copy of the scheduler steps the sound."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTXEulerAncestralRFScheduler,
)
from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel, LTX2TextConnectors, LTX2Vocoder
from diffusers.pipelines.ltx2.dfr_layout import LTX2DFREpilogueTile
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_hdr_lora import LTX2HDRReferenceCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

from tests.pipelines.row import Kit, Parts, denoiser
from tests.pipelines.videos import CALL, FRAMES
from tests.tiny.base import picture

TOKENS = 8
WIDTH = 16
SEEN = torch.ones(1, TOKENS, dtype=torch.long)
TRANSFORMER: dict[str, Any] = {"in_channels": 8, "out_channels": 8, "caption_channels": WIDTH}


def connectors(caption_channels: int = WIDTH, text_proj_in_factor: int = 2, heads: int = 2) -> LTX2TextConnectors:
    """Return what makes an embedding for the video, and one for the sound, of a language model's layers."""
    shape = {"num_attention_heads": heads, "attention_head_dim": 8, "num_layers": 1, "num_learnable_registers": 4}
    each = {f"{kind}_connector_{name}": value for kind in ("video", "audio") for name, value in shape.items()}
    return LTX2TextConnectors(
        caption_channels=caption_channels,
        text_proj_in_factor=text_proj_in_factor,
        **each,
        connector_rope_base_seq_len=16,
        rope_double_precision=False,
    )


def video_vae(**changes: Any) -> AutoencoderKLLTX2Video:
    """Return an autoencoder whose latents are 4 times smaller in height, width and time."""
    config: dict[str, Any] = {
        "latent_channels": 8,
        "block_out_channels": (8, 8),
        "down_block_types": ("LTX2VideoDownBlock3D",) * 2,
        "decoder_block_out_channels": (8, 8),
        "layers_per_block": (1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1),
        "spatio_temporal_scaling": (True, True),
        "decoder_spatio_temporal_scaling": (True, True),
        "decoder_inject_noise": (False, False, False),
        "downsample_type": ("spatiotemporal", "spatiotemporal"),
        "upsample_type": ("spatiotemporal", "spatiotemporal"),
        "upsample_residual": (False, False),
        "upsample_factor": (1, 1),
        "timestep_conditioning": False,
        "patch_size": 1,
    }
    return AutoencoderKLLTX2Video(**{**config, **changes})


def ltx2() -> Parts:
    """Return the parts of LTX-2."""
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1),
        "vae": video_vae(),
        "audio_vae": AutoencoderKLLTX2Audio(
            base_channels=4, ch_mult=(1, 1, 1), num_res_blocks=1, latent_channels=2, mel_bins=8, resolution=8
        ),
        "connectors": connectors(),
        "transformer": denoiser("LTX2VideoTransformer3DModel", in_channels=8, out_channels=8, caption_channels=WIDTH),
        "vocoder": LTX2Vocoder(
            in_channels=16,
            hidden_channels=8,
            upsample_kernel_sizes=[4],
            upsample_factors=[2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1]],
        ),
    }


def refining() -> Parts:
    """Return what refining in time needs besides: a stochastic solver, and what doubles the frames."""
    return {
        **with_keyframes(),
        "scheduler": LTXEulerAncestralRFScheduler(eta=0.5),
        "temporal_latent_upsampler": LTX2LatentUpsamplerModel(
            in_channels=8, mid_channels=32, num_blocks_per_stage=1, spatial_upsample=False, temporal_upsample=True
        ),
    }


def with_keyframes() -> Parts:
    """Return LTX-2.5's transformer, which is told which tokens are keyframes, and a scheduler without shift."""
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "transformer": denoiser("LTX2VideoTransformer3DModel", **TRANSFORMER, use_keyframes_abs_pos_embedding=True),
    }


TOLD: dict[str, Any] = {
    **{name: value for name, value in CALL.items() if name not in ("prompt", "negative_prompt", "video", "strength")},
    "prompt_embeds": torch.linspace(-1, 1, TOKENS * WIDTH * 2).reshape(1, TOKENS, WIDTH * 2),
    "negative_prompt_embeds": torch.linspace(1, -1, TOKENS * WIDTH * 2).sin().reshape(1, TOKENS, WIDTH * 2),
    "prompt_attention_mask": SEEN,
    "negative_prompt_attention_mask": SEEN,
    "spatio_temporal_guidance_blocks": [0],
}
BY_PROMPT = {"stg_scale": 0.0, "audio_stg_scale": 0.0, "modality_scale": 1.0, "audio_modality_scale": 1.0}
LTX2 = Kit(ltx2, TOLD)
SHOWN = {"conditions": [LTX2VideoCondition(picture(), index=0, crf=0), LTX2VideoCondition(FRAMES[:5], index=2)]}
SIGMAS = [1.0, 0.9, 0.6, 0.3]
TILES = [
    LTX2DFREpilogueTile(slice(0, 4), slice(0, 3), slice(0, 8), torch.ones(4, 3, 8)),
    LTX2DFREpilogueTile(slice(0, 4), slice(3, 8), slice(0, 8), torch.ones(4, 5, 8)),
]
BEFORE = {
    "latents": torch.linspace(-1, 1, 8 * 3 * 64).reshape(1, 8, 3, 8, 8),
    "keyframes_latents": torch.linspace(1, -1, 8 * 64).reshape(1, 8, 1, 8, 8),
    "keyframe_positions": [8],
    "audio_latents": torch.linspace(-1, 1, 2 * 9 * 2).reshape(1, 2, 9, 2),
}
"""What the pass before the refinement gave."""


ROWS = (
    LTX2.row("LTX2Pipeline"),
    LTX2.row("LTX2Pipeline", BY_PROMPT, variant="guided-by-the-prompt-alone"),
    LTX2.row("LTX2ImageToVideoPipeline", {**BY_PROMPT, "image_crf": 0}),
    LTX2.row("LTX2ConditionPipeline", {**BY_PROMPT, **SHOWN}),
    LTX2.row("LTX2InContextPipeline", {**BY_PROMPT, "reference_conditions": LTX2ReferenceCondition(FRAMES), **SHOWN}),
    LTX2.row("LTX2HDRPipeline", {"reference_conditions": LTX2HDRReferenceCondition(FRAMES), "output_type": "pt"}),
    LTX2.row("LTX2DFRPipeline", {"num_frames": 13, "sigmas": SIGMAS}, parts=with_keyframes),
    LTX2.row(
        "LTX2DFRPipeline",
        {"num_frames": 13, "sigmas": SIGMAS, "video_tiles": TILES},
        parts=with_keyframes,
        variant="tiles",
    ),
    LTX2.row("LTX2DFRTemporalRefinePipeline", {**BEFORE, "sigmas": SIGMAS}, parts=refining),
)

"""Video transformers whose guidance is a component of the pipeline: it prepares each call, and joins what they give."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLHunyuanVideo15, ClassifierFreeGuidance, FlowMatchEulerDiscreteScheduler
from diffusers.guiders import SkipLayerGuidance

from tests.pipelines.long_videos import framepack
from tests.pipelines.row import Kit, Parts, denoiser
from tests.pipelines.videos import CALL
from tests.tiny.tokenizers import gemma_tokenizer
from tests.tiny.video_dit import wan_vae

SEEN = torch.ones(1, 6, dtype=torch.bool)
PROMPTS = ("prompt", "negative_prompt")
TOLD: dict[str, Any] = {
    **{name: value for name, value in CALL.items() if name not in PROMPTS},
    "prompt_embeds": torch.linspace(-1, 1, 6 * 12).reshape(1, 6, 12),
    "negative_prompt_embeds": torch.linspace(1, -1, 6 * 12).reshape(1, 6, 12),
}


def hunyuan15() -> Parts:
    """Return the parts of HunyuanVideo 1.5: a picture and glyphs are read besides the prompt."""
    seen = framepack()
    return {
        "vae": AutoencoderKLHunyuanVideo15(
            latent_channels=4,
            block_out_channels=(16, 16, 16, 32),
            layers_per_block=1,
            spatial_compression_ratio=8,
            temporal_compression_ratio=4,
        ),
        "transformer": denoiser(
            "HunyuanVideo15Transformer3DModel", in_channels=9, image_embed_dim=16, target_size=32, use_meanflow=True
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "guider": ClassifierFreeGuidance(guidance_scale=4.0),
        **{name: seen[name] for name in ("image_encoder", "feature_extractor")},
    }


def few_image_tokens(pipe: Any) -> None:
    """Give the transformer four tokens of a missing picture, not 729."""
    pipe.vision_num_semantic_tokens = 4


def motif() -> Parts:
    """Return the parts of Motif-Video."""
    return {
        "vae": wan_vae(),
        "tokenizer": gemma_tokenizer(),
        "transformer": denoiser("MotifVideoTransformer3DModel", in_channels=33, out_channels=16),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "guider": ClassifierFreeGuidance(guidance_scale=4.0),
    }


def skipping() -> Parts:
    """Return guidance that calls a third time, without a layer."""
    return {
        "guider": SkipLayerGuidance(
            guidance_scale=4.0, skip_layer_guidance_scale=2.0, skip_layer_guidance_layers=[0], stop=1.0
        )
    }


HUNYUAN15 = Kit(
    hunyuan15,
    {
        **TOLD,
        "prompt_embeds_mask": SEEN,
        "negative_prompt_embeds_mask": SEEN,
        "prompt_embeds_2": torch.linspace(-1, 1, 5 * 10).reshape(1, 5, 10),
        "negative_prompt_embeds_2": torch.linspace(1, -1, 5 * 10).reshape(1, 5, 10),
        "prompt_embeds_mask_2": SEEN[:, :5],
        "negative_prompt_embeds_mask_2": SEEN[:, :5],
    },
)
MOTIF = Kit(
    motif,
    {**TOLD, "prompt": None, "prompt_attention_mask": SEEN, "negative_prompt_attention_mask": SEEN},
)

ROWS = (
    HUNYUAN15.row("HunyuanVideo15Pipeline", after=few_image_tokens),
    HUNYUAN15.row("HunyuanVideo15ImageToVideoPipeline"),
    MOTIF.row("MotifVideoPipeline"),
    MOTIF.row("MotifVideoPipeline", parts=skipping, variant="without-a-layer"),
    MOTIF.row("MotifVideoImage2VideoPipeline"),
)

"""Videos that are made chunk by chunk, and relatives of Wan with schedulers or conditions of their own."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    FlowMapEulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeliosScheduler,
    HunyuanVideoFramepackTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from tests.pipelines.row import Kit, Parts, denoiser, plain
from tests.pipelines.videos import CALL, HUNYUAN, UNSHIFTED, WAN_TOLD, of_family
from tests.tiny.base import picture
from tests.tiny.parts import clip_vision_config

WIDE: dict[str, Any] = {"in_channels": 16, "out_channels": 16, "text_dim": 32}


def chronoedit() -> Parts:
    """Edits a picture as if the change took time."""
    return {
        "transformer": denoiser(
            "ChronoEditTransformer3DModel", **{**WIDE, "in_channels": 36}, image_dim=16, added_kv_proj_dim=24
        ),
        "image_encoder": CLIPVisionModel(clip_vision_config()),
        "image_processor": CLIPImageProcessor(),
    }


def anyflow() -> Parts:
    """Told where a step ends besides where it begins."""
    return {"transformer": denoiser("AnyFlowTransformer3DModel", **WIDE), "scheduler": FlowMapEulerDiscreteScheduler()}


def anyflow_by_chunks() -> Parts:
    """Frames after frames, which attend to those before."""
    return {**anyflow(), "transformer": denoiser("AnyFlowFARTransformer3DModel", **WIDE)}


def helios() -> Parts:
    """Chunks after chunks, which are shown those before at several resolutions."""
    return {
        "transformer": denoiser("HeliosTransformer3DModel", **WIDE),
        "scheduler": HeliosScheduler(stages=1, stage_range=[0, 1]),
    }


def pyramid() -> Parts:
    """Each chunk is made at half the resolution first."""
    return {**helios(), "scheduler": HeliosScheduler(stages=2, stage_range=[0, 0.5, 1], gamma=0.25)}


def kandinsky5(**changes: Any) -> Parts:
    """Kandinsky 5."""
    return {
        "transformer": denoiser("Kandinsky5Transformer3DModel", **changes),
        "vae": HUNYUAN.parts()["vae"],
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
    }


def moved() -> Parts:
    """Its relative that is shown a picture: where it is, and what it is, are further channels."""
    return kandinsky5(visual_cond=True)


def framepack() -> Parts:
    """Sections from the last to the first, each a pass of its own."""
    config = plain(HUNYUAN.parts()["transformer"].config)
    names = set(plain(denoiser("HunyuanVideoFramepackTransformer3DModel").config))
    same = {name: value for name, value in config.items() if name in names}
    shown = {"has_image_proj": True, "image_proj_dim": 16, "has_clean_x_embedder": True}
    vision = SiglipVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16
    )
    return {
        "transformer": HunyuanVideoFramepackTransformer3DModel(**{**same, **shown}),
        "image_encoder": SiglipVisionModel(vision),
        "feature_extractor": SiglipImageProcessor(size={"height": 32, "width": 32}),
    }


SAID = {
    "prompt_embeds_qwen": torch.linspace(-1, 1, 6 * 12).reshape(1, 6, 12),
    "prompt_embeds_clip": torch.linspace(-1, 1, 8).reshape(1, 8),
    "prompt_cu_seqlens": torch.tensor([0, 6], dtype=torch.int32),
}
KANDINSKY5 = Kit(
    kandinsky5,
    {
        **{name: value for name, value in CALL.items() if "prompt" not in name},
        **SAID,
        **{f"negative_{name}": -value if value.is_floating_point() else value for name, value in SAID.items()},
    },
)
LTX_LONG = of_family("ltx", **{k: CALL[k] for k in ("prompt", "negative_prompt")})

ROWS = (
    WAN_TOLD.row("ChronoEditPipeline", {"num_frames": 5}, parts=chronoedit),
    WAN_TOLD.row("AnyFlowPipeline", parts=anyflow, without=("video",)),
    WAN_TOLD.row(
        "AnyFlowFARPipeline",
        {"chunk_partition": [1, 2]},
        parts=anyflow_by_chunks,
        without=("video",),
        warns="transformer made 5 steps where the scheduler has 4",
    ),
    WAN_TOLD.row(
        "HeliosPipeline",
        {"num_frames": 9, "num_latent_frames_per_chunk": 2, "history_sizes": [4, 2, 1]},
        parts=helios,
        without=("video", "image"),
    ),
    WAN_TOLD.row(
        "HeliosPyramidPipeline",
        {
            "num_frames": 5,
            "num_latent_frames_per_chunk": 2,
            "history_sizes": [4, 2, 1],
            "pyramid_num_inference_steps_list": [2, 2],
            "height": 64,
            "width": 64,
        },
        parts=pyramid,
        without=("video", "image"),
    ),
    KANDINSKY5.row("Kandinsky5T2VPipeline"),
    KANDINSKY5.row("Kandinsky5I2VPipeline", {"num_frames": 17}, parts=moved),
    HUNYUAN.row("HunyuanVideoFramepackPipeline", {"latent_window_size": 2, "num_frames": 13}, parts=framepack),
    LTX_LONG.row(
        "LTXI2VLongMultiPromptPipeline",
        {"num_frames": 17, "temporal_tile_size": 16, "temporal_overlap": 8, "cond_image": picture()},
        parts=lambda: UNSHIFTED,
    ),
)

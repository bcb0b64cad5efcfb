"""Videos that are told more than a prompt: a face, poses, a control video, a mask."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CLIPImageProcessor, CLIPVisionModel

from tests.pipelines.row import Parts, denoiser, plain
from tests.pipelines.videos import COGVIDEOX, EASYANIMATE, FRAMES, HUNYUAN, WAN_TOLD
from tests.tiny.base import picture
from tests.tiny.parts import clip_vision_config


def consisid() -> Parts:
    """Return CogVideoX's transformer with what looks at a face."""
    shape = plain(COGVIDEOX.parts()["transformer"].config)
    known = plain(denoiser("ConsisIDTransformer3DModel").config)
    same = {name: value for name, value in shape.items() if name in known}
    face = {"in_channels": 8, "LFE_output_dim": 21, "num_layers": 2}
    return {"transformer": denoiser("ConsisIDTransformer3DModel", **{**same, **face})}


def wan_animate() -> Parts:
    """Return a transformer of Wan that is shown poses and a face, frame by frame."""
    return {
        "transformer": denoiser(
            "WanAnimateTransformer3DModel", in_channels=36, out_channels=16, latent_channels=16, text_dim=32
        ),
        "image_encoder": CLIPVisionModel(clip_vision_config()),
        "image_processor": CLIPImageProcessor(),
    }


def easyanimate(channels: int, **changes: object) -> Parts:
    """Return EasyAnimate's transformer with other channels, and what is added to them."""
    transformer = EASYANIMATE.parts()["transformer"]
    return {"transformer": type(transformer)(**{**plain(transformer.config), "in_channels": channels, **changes})}


def hunyuan_from_image() -> Parts:
    """Return HunyuanVideo's transformer with the picture's latents and a mask as further channels."""
    transformer = HUNYUAN.parts()["transformer"]
    config = {**plain(transformer.config), "in_channels": 9, "image_condition_type": "latent_concat"}
    return {"transformer": type(transformer)(**config)}


def hunyuan_replacing() -> Parts:
    """Return HunyuanVideo's transformer that keeps the first frame, and tells its tokens another time."""
    transformer = HUNYUAN.parts()["transformer"]
    return {"transformer": type(transformer)(**{**plain(transformer.config), "image_condition_type": "token_replace"})}


def ignore_index(pipe: Any) -> None:
    """Let prompts be encoded though diffusers passes an argument that its own method does not take."""
    encode = pipe.encode_prompt
    pipe.encode_prompt = lambda text_encoder_index, **arguments: encode(**arguments)


FACE = {
    "id_cond": torch.linspace(-1, 1, 8).reshape(1, 8),
    "id_vit_hidden": [torch.linspace(-1, 1, 16).reshape(1, 2, 8)],
}
VIDEO = torch.linspace(0, 1, 3 * 9 * 32 * 32).reshape(1, 3, 9, 32, 32)
MASKS = torch.zeros(1, 1, 9, 32, 32)
MASKS[..., 16:] = 255
DRIVEN = {"pose_video": FRAMES[:5], "face_video": FRAMES[:5], "segment_frame_length": 5}
DESCRIBED = {
    "prompt": None,
    "negative_prompt": None,
    "prompt_embeds": torch.linspace(-1, 1, 6 * 32).reshape(1, 6, 32),
    "pooled_prompt_embeds": torch.linspace(-1, 1, 32).reshape(1, 32),
    "prompt_attention_mask": torch.ones(1, 6),
}

ROWS = (
    COGVIDEOX.row(
        "ConsisIDPipeline", {**FACE}, parts=consisid, module="diffusers.pipelines.consisid.pipeline_consisid"
    ),
    WAN_TOLD.row("WanAnimatePipeline", DRIVEN, parts=wan_animate),
    WAN_TOLD.row(
        "WanAnimatePipeline",
        {**DRIVEN, "pose_video": FRAMES, "face_video": FRAMES, "prev_segment_conditioning_frames": 1},
        parts=wan_animate,
        variant="two-segments",
    ),
    EASYANIMATE.row(
        "EasyAnimateControlPipeline",
        {"control_video": VIDEO, "output_type": "latent"},  # diffusers has forgotten how this one decodes
        parts=lambda: easyanimate(12),
        after=ignore_index,
    ),
    EASYANIMATE.row(
        "EasyAnimateInpaintPipeline",
        {"video": VIDEO, "mask_video": MASKS},
        parts=lambda: easyanimate(12, resize_inpaint_mask_directly=False),
        late=1,
    ),
    HUNYUAN.row("HunyuanVideoImageToVideoPipeline", {**DESCRIBED, "image": picture()}, parts=hunyuan_from_image),
    HUNYUAN.row(
        "HunyuanVideoImageToVideoPipeline",
        {**DESCRIBED, "image": picture()},
        parts=hunyuan_replacing,
        variant="first-frame-kept",
    ),
)

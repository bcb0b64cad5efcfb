"""Videos of a person: told a face, or poses and a face frame by frame."""

from __future__ import annotations

import torch
from transformers import CLIPImageProcessor, CLIPVisionModel

from tests.pipelines.row import Parts, denoiser, plain
from tests.pipelines.videos import COGVIDEOX, FRAMES, WAN_TOLD
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


FACE = {
    "id_cond": torch.linspace(-1, 1, 8).reshape(1, 8),
    "id_vit_hidden": [torch.linspace(-1, 1, 16).reshape(1, 2, 8)],
}
DRIVEN = {"pose_video": FRAMES[:5], "face_video": FRAMES[:5], "segment_frame_length": 5}
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
)

"""Stable Diffusion 1 and 2, and what is built on its U-Net."""

from __future__ import annotations

import functools
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import ControlNetModel, ControlNetXSAdapter, DDIMInverseScheduler, T2IAdapter, UNet2DConditionModel
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection, DPTConfig, DPTForDepthEstimation

from tests.pipelines.row import Kit, Parts, of
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.image_unet import sd_scheduler
from tests.tiny.parts import clip_text, clip_vision_config, image_vae
from tests.tiny.tokenizers import clip_tokenizer

LEVELS: dict[str, Any] = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
TYPES: dict[str, Any] = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 2,
}
BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
OFFSET: dict[str, Any] = {**BETAS, "steps_offset": 1}
MASK = picture().convert("L").point(lambda value: 255 * (value > 127))


def small_unet(**config: Any) -> UNet2DConditionModel:
    """Two levels of one layer."""
    return UNet2DConditionModel(**{"sample_size": 16, **LEVELS, **TYPES, **config})


def parts() -> Parts:
    """Stable Diffusion without its safety checker."""
    return {
        "vae": image_vae(),
        "text_encoder": clip_text(),
        "tokenizer": clip_tokenizer(),
        "unet": small_unet(),
        "scheduler": sd_scheduler(),
        "requires_safety_checker": False,
    }


@functools.cache
def controlnet() -> Parts:
    """A ControlNet for it."""
    types = {name: value for name, value in TYPES.items() if name != "up_block_types"}
    return {"controlnet": ControlNetModel(**LEVELS, **types, conditioning_embedding_out_channels=(8, 8))}


def image_encoder() -> Parts:
    """A CLIP that looks at pictures."""
    return {
        "image_encoder": CLIPVisionModelWithProjection(clip_vision_config(projection=32)),
        "feature_extractor": CLIPImageProcessor(),
    }


def with_unet(**config: Any) -> Any:
    """A U-Net of its own."""
    return lambda: {"unet": small_unet(**config)}


def ip_adapter() -> Parts:
    """A U-Net of its own, which the adapter changes, and an encoder of pictures."""
    return {"unet": small_unet(), **image_encoder()}


def with_ip_adapter(pipe: Any) -> None:
    """Load an IP-Adapter of four tokens, as from a file."""
    projections = {}
    for number, name in enumerate(pipe.unet.attn_processors):
        if "attn2" in name:
            width = pipe.unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            projections[f"{number}.to_k_ip.weight"] = torch.randn(width, 32)
            projections[f"{number}.to_v_ip.weight"] = torch.randn(width, 32)
    tokens = {
        "proj.weight": torch.randn(4 * 32, 32),
        "proj.bias": torch.zeros(4 * 32),
        "norm.weight": torch.ones(32),
        "norm.bias": torch.zeros(32),
    }
    pipe.unet._load_ip_adapter_weights([{"image_proj": tokens, "ip_adapter": projections}])
    pipe.set_ip_adapter_scale(0.6)


def depth_estimator() -> Parts:
    """A depth estimator, which is not asked, and a U-Net that takes in its answer."""
    config = DPTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=32)
    config.backbone_out_indices = [0, 0, 1, 1]
    config.neck_hidden_sizes = [8, 8, 8, 8]
    config.fusion_hidden_size = 8
    return {"unet": small_unet(in_channels=5), "depth_estimator": DPTForDepthEstimation(config)}


def upscaler() -> Parts:
    """Looks at a picture of low resolution, whose noise is a class."""
    noise = {"low_res_scheduler": diffusers.DDPMScheduler(), "scheduler": sd_scheduler()}
    return {"unet": small_unet(in_channels=7, num_class_embeds=350, sample_size=32), **noise}


def latent_upscaler() -> Parts:
    """Told the noise along with the prompt's pooled embedding; its Euler solver is of Karras."""
    unet = small_unet(in_channels=8, out_channels=5, time_cond_proj_dim=128 + 32)
    return {"unet": unet, **of("EulerDiscreteScheduler", **BETAS)()}


def control_xs() -> Parts:
    """A ControlNet-XS and a U-Net that takes it."""
    unet = small_unet(layers_per_block=2, attention_head_dim=(2, 2), use_linear_projection=True)
    adapter = ControlNetXSAdapter.from_unet(unet, size_ratio=0.5, conditioning_embedding_out_channels=(8, 8))
    return {"unet": unet, "controlnet": adapter}


def adapter() -> Parts:
    """A T2I-Adapter."""
    return {"adapter": T2IAdapter(channels=[8, 16], num_res_blocks=1, downscale_factor=2, adapter_type="full_adapter")}


def gligen() -> Parts:
    """A U-Net that is told what lies where."""
    return {"unet": small_unet(attention_type="gated", attention_head_dim=(2, 4))}


def inverted() -> Parts:
    """What inverts a picture."""
    return {"inverse_scheduler": DDIMInverseScheduler(**BETAS)}


def consistent() -> Parts:
    """Guidance is embedded, and four steps are enough."""
    return {"unet": small_unet(time_cond_proj_dim=16), **of("LCMScheduler", **BETAS, clip_sample=False)()}


def eightfold() -> Parts:
    """An autoencoder of the factor that panoramas take for granted."""
    return {"vae": image_vae(levels=4)}


SIZE = {"height": 32, "width": 32}
CALL: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 4.0,
    "image": picture(),
    "mask_image": MASK,
    "control_image": picture(),
    "strength": 0.75,
    **SIZE,
}
KIT = Kit(parts, CALL)
row = KIT.row
WIDE = {"width": 576, "height": 64}  # two views of 64 latents, 8 apart
ZERO = {"video_length": 2, "t0": 1, "t1": 2}
FROM_ONE_FRAME = (0, 1, 1, 2, 3)  # at the second timestep its motion is added, which makes two frames
FULL = {"strength": 1.0}
BATCHED = {"guidance_rescale": 0.7}

ROWS = (
    row("StableDiffusionPipeline", BATCHED),
    row("StableDiffusionPipeline", {"guidance_scale": 1.0}, variant="unguided"),
    row("StableDiffusionPipeline", parts=of("HeunDiscreteScheduler", **OFFSET), variant="Heun"),
    row("StableDiffusionPipeline", parts=of("PNDMScheduler", **OFFSET), variant="PNDM"),
    row("StableDiffusionPipeline", parts=of("KDPM2DiscreteScheduler", **OFFSET), variant="DPM2"),
    row("StableDiffusionPipeline", parts=of("DPMSolverSinglestepScheduler", **BETAS), variant="DPM-single"),
    row("StableDiffusionPipeline", parts=of("UniPCMultistepScheduler", **OFFSET), variant="UniPC"),
    row("StableDiffusionPipeline", {"num_images_per_prompt": 2}, variant="two-at-once"),
    row(
        "StableDiffusionPipeline",
        {"ip_adapter_image": picture()},
        parts=ip_adapter,
        after=with_ip_adapter,
        variant="IP-Adapter",
    ),
    row("StableDiffusionImg2ImgPipeline", late=1),
    row("StableDiffusionInpaintPipeline", late=1),
    row("StableDiffusionInpaintPipeline", FULL, parts=with_unet(in_channels=9), variant="nine-channels"),
    row("StableDiffusionControlNetPipeline", parts=controlnet),
    row("StableDiffusionControlNetPipeline", {"guess_mode": True}, parts=controlnet, variant="guess"),
    row("StableDiffusionControlNetPipeline", {"control_guidance_end": 0.5}, parts=controlnet, variant="half"),
    row("StableDiffusionControlNetImg2ImgPipeline", parts=controlnet, late=1),
    row("StableDiffusionControlNetInpaintPipeline", FULL, parts=controlnet),
    row("StableDiffusionControlNetXSPipeline", parts=control_xs),
    row("StableDiffusionAdapterPipeline", parts=adapter),
    row("StableDiffusionInstructPix2PixPipeline", parts=with_unet(in_channels=8)),
    row(
        "StableDiffusionDepth2ImgPipeline",
        {"depth_map": torch.linspace(0, 1, 1024).reshape(1, 32, 32)},
        parts=depth_estimator,
        late=1,
    ),
    row("StableDiffusionUpscalePipeline", parts=upscaler),
    row("StableDiffusionLatentUpscalePipeline", parts=latent_upscaler),
    row("StableDiffusionImageVariationPipeline", parts=image_encoder),
    row("StableDiffusionPAGPipeline", {"pag_scale": 2.0}, parts=lambda: {"pag_applied_layers": ["mid"]}),
    row("StableDiffusionPAGImg2ImgPipeline", {"pag_scale": 2.0}, late=1),
    row("StableDiffusionPAGInpaintPipeline", {"pag_scale": 2.0, **FULL}),
    row("StableDiffusionControlNetPAGPipeline", {"pag_scale": 2.0}, parts=controlnet),
    row("StableDiffusionControlNetPAGInpaintPipeline", {"pag_scale": 2.0, **FULL}, parts=controlnet),
    row("StableDiffusionPanoramaPipeline", WIDE, parts=eightfold, steps=(0, 0, 1, 1, 2, 2, 3, 3)),
    row(
        "StableDiffusionPanoramaPipeline", {**WIDE, "view_batch_size": 2}, parts=eightfold, variant="both-views-at-once"
    ),
    row(
        "StableDiffusionGLIGENPipeline",
        {"gligen_phrases": ["a fox"], "gligen_boxes": [[0.1, 0.2, 0.7, 0.8]]},
        parts=gligen,
    ),
    row(
        "StableDiffusionDiffEditPipeline",
        {"mask_image": np.eye(16, dtype=np.float32)[None], "image_latents": torch.zeros(1, 3, 4, 16, 16)},
        parts=inverted,
        late=1,
    ),
    row("CycleDiffusionPipeline", {"source_prompt": "a grey fox"}, late=1),
    row("SemanticStableDiffusionPipeline", {"editing_prompt": ["a hat"], "edit_warmup_steps": 1}),
    row("LatentConsistencyModelPipeline", parts=consistent),
    row("LatentConsistencyModelImg2ImgPipeline", parts=consistent),
    row("TextToVideoZeroPipeline", ZERO, steps=FROM_ONE_FRAME),
)

"""Priors, cascades, and what decodes the embeddings that a prior gives."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from diffusers import DDPMScheduler, PriorTransformer, UnCLIPScheduler, UNet2DConditionModel, UNet2DModel
from diffusers.pipelines.deprecated.unclip import UnCLIPTextProjModel
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from diffusers.pipelines.shap_e import ShapERenderer
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
from transformers import CLIPImageProcessor, CLIPVisionModel, CLIPVisionModelWithProjection

from tests.pipelines import stable_diffusion
from tests.pipelines.row import Kit, Parts, denoiser, of, plain
from tests.pipelines.stable_diffusion import LEVELS, MASK, small_unet
from tests.tiny import FAMILIES
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.parts import clip_text, clip_text_projected, clip_vision_config, t5_text
from tests.tiny.tokenizers import MAX_LENGTH, clip_tokenizer, t5_tokenizer

SEEN = torch.linspace(-1, 1, 32).reshape(1, 32)
COMMON: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 4.0,
    "prior_guidance_scale": 4.0,
    "prior_num_inference_steps": 4,
    "strength": 0.75,
    "image": picture(),
    "mask_image": MASK,
}


def kandinsky22() -> Parts:
    """Kandinsky 2.2, with its prior under both of the names that pipelines have for it."""
    parts = dict(FAMILIES["kandinsky22"].build().components)
    prior = {name.removeprefix("prior_"): part for name, part in parts.items() if name.startswith("prior_")}
    return {**prior, **parts}


def prior_of_kandinsky22() -> Parts:
    """The scheduler of the prior."""
    return {"scheduler": K22.parts()["prior_scheduler"]}


def hinted() -> Parts:
    """A U-Net that is shown a hint, such as depth."""
    unet = K22.parts()["unet"]
    hint = {"in_channels": 8, "addition_embed_type": "image_hint"}
    return {"unet": UNet2DConditionModel(**{**plain(unet.config), **hint})}


def inpainting() -> Parts:
    """A U-Net that is shown the picture, and where it is to be kept."""
    unet = K22.parts()["unet"]
    return {"unet": UNet2DConditionModel(**{**plain(unet.config), "in_channels": 9})}


def kandinsky3() -> Parts:
    """Kandinsky 3."""
    return {
        "tokenizer": t5_tokenizer(),
        "text_encoder": t5_text(),
        "unet": denoiser("Kandinsky3UNet", encoder_hid_dim=32),
        "movq": K22.parts()["movq"],
        "scheduler": DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
    }


def prior(**config: Any) -> PriorTransformer:
    """Two blocks."""
    shape = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2, "num_embeddings": MAX_LENGTH}
    return PriorTransformer(**{**shape, "embedding_dim": 32, **config})


def unclip() -> Parts:
    """UnCLIP: a prior, a decoder, and two networks that raise the resolution, the last for one step."""
    pixels: dict[str, Any] = {**LEVELS, "resnet_time_scale_shift": "scale_shift"}
    down, up = ("ResnetDownsampleBlock2D",) * 2, ("ResnetUpsampleBlock2D",) * 2
    decoder = UNet2DConditionModel(
        sample_size=16,
        in_channels=3,
        out_channels=6,
        **pixels,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        cross_attention_dim=16,
        attention_head_dim=4,
        class_embed_type="identity",
    )
    raisers = [
        UNet2DModel(sample_size=32, in_channels=6, out_channels=3, **pixels, down_block_types=down, up_block_types=up)
        for _ in range(2)
    ]
    learned = {"prediction_type": "epsilon", "num_train_timesteps": 1000}
    return {
        "prior": prior(embedding_proj_norm_type=None),
        "decoder": decoder,
        "text_encoder": clip_text_projected(),
        "tokenizer": clip_tokenizer(),
        "text_proj": UnCLIPTextProjModel(
            clip_extra_context_tokens=4, clip_embeddings_dim=32, time_embed_dim=32, cross_attention_dim=16
        ),
        "feature_extractor": CLIPImageProcessor(),
        "image_encoder": CLIPVisionModelWithProjection(clip_vision_config(projection=32)),
        "super_res_first": raisers[0],
        "super_res_last": raisers[1],
        "prior_scheduler": UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0
        ),
        "decoder_scheduler": UnCLIPScheduler(variance_type="learned_range", **learned),
        "super_res_scheduler": UnCLIPScheduler(variance_type="fixed_small_log", **learned),
    }


def stable_unclip() -> Parts:
    """Stable UnCLIP: the prior of UnCLIP for a U-Net that is told an image as a class."""
    unet = small_unet(class_embed_type="projection", projection_class_embeddings_input_dim=64)
    return {
        **stable_diffusion.KIT.parts(),
        **{f"prior_{name}": part for name, part in UNCLIP.parts().items() if name in ("tokenizer", "text_encoder")},
        "prior": UNCLIP.parts()["prior"],
        "prior_scheduler": UNCLIP.parts()["prior_scheduler"],
        "feature_extractor": CLIPImageProcessor(),
        "image_encoder": UNCLIP.parts()["image_encoder"],
        "image_normalizer": StableUnCLIPImageNormalizer(embedding_dim=32),
        "image_noising_scheduler": DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        "unet": unet,
    }


def cascade() -> Parts:
    """Stable Cascade, with its prior under both of the names that pipelines have for it."""
    parts = dict(FAMILIES["stable_cascade"].build().components)
    return {**parts, "prior": parts["prior_prior"]}


def wuerstchen() -> Parts:
    """Wuerstchen, which Stable Cascade grew from."""
    prior = WuerstchenPrior(c_in=4, c=16, c_cond=32, c_r=8, depth=2, nhead=2)
    decoder = WuerstchenDiffNeXt(
        c_in=4,
        c_out=4,
        c_r=8,
        patch_size=2,
        c_cond=32,
        c_hidden=[8, 16],
        nhead=[-1, 2],
        blocks=[2, 2],
        level_config=["CT", "CTA"],
        inject_effnet=[False, True],
        effnet_embd=4,
        clip_embd=32,
        dropout=[0.0, 0.0],
    )
    text = {"tokenizer": clip_tokenizer(), "text_encoder": clip_text()}
    return {
        **text,
        **{f"prior_{name}": part for name, part in text.items()},
        "prior": prior,
        "prior_prior": prior,
        "decoder": decoder,
        "vqgan": PaellaVQModel(bottleneck_blocks=1, embed_dim=16, num_vq_embeddings=32),
        "scheduler": diffusers.DDPMWuerstchenScheduler(),
        "prior_scheduler": diffusers.DDPMWuerstchenScheduler(),
    }


def shapes() -> Parts:
    """Shap-E: a prior whose solver is of second order, and networks that render what it gives."""
    tokens = {"num_embeddings": 8, "additional_embeddings": 0, "time_embed_act_fn": "gelu", "time_embed_dim": 32}
    plain = {"embedding_proj_norm_type": "layer", "encoder_hid_proj_type": None, "added_emb_type": None}
    renderer = ShapERenderer(
        param_shapes=((8, 93), (8, 8), (8, 8), (8, 8)),
        d_latent=16,
        d_hidden=8,
        n_output=12,
        background=(0.1, 0.1, 0.1),
    )
    return {
        "prior": prior(embedding_dim=16, clip_embed_dim=32, embedding_proj_dim=32, **tokens, **plain),
        "text_encoder": clip_text_projected(),
        "tokenizer": clip_tokenizer(),
        "image_encoder": CLIPVisionModel(clip_vision_config()),
        "image_processor": CLIPImageProcessor(),
        "shap_e_renderer": renderer,
        **of("HeunDiscreteScheduler", beta_schedule="exp", prediction_type="sample", use_karras_sigmas=True)(),
    }


def shapes_of_images() -> Parts:
    """One that is shown all that CLIP sees."""
    tokens = {"num_embeddings": 8, "additional_embeddings": 4 + 1, "time_embed_act_fn": "gelu", "time_embed_dim": 32}
    plain = {"embedding_proj_norm_type": "layer", "encoder_hid_proj_type": None, "added_emb_type": None}
    return {"prior": prior(embedding_dim=16, clip_embed_dim=32, embedding_proj_dim=16, **tokens, **plain)}


K22 = Kit(kandinsky22, {**COMMON, "height": 64, "width": 64, "image_embeds": SEEN, "negative_image_embeds": -SEEN})
K3 = Kit(kandinsky3, {**COMMON, "height": 64, "width": 64})
UNCLIP = Kit(
    unclip,
    {**COMMON, "decoder_num_inference_steps": 4, "super_res_num_inference_steps": 4, "decoder_guidance_scale": 4.0},
)
STABLE_UNCLIP = Kit(stable_unclip, {**COMMON, "height": 32, "width": 32})
CASCADE = Kit(cascade, {**COMMON, "height": 128, "width": 128, "decoder_guidance_scale": 2.0})
WUERSTCHEN = Kit(wuerstchen, {**COMMON, "height": 128, "width": 128, "decoder_guidance_scale": 2.0})
SHAPES = Kit(shapes, {**COMMON, "frame_size": 8, "output_type": "latent"})
HINT = {"hint": torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)}
GIVEN = {"output_type": "pt"}

ROWS = (
    K22.row("KandinskyV22PriorPipeline", GIVEN, parts=prior_of_kandinsky22),
    K22.row("KandinskyV22PriorEmb2EmbPipeline", GIVEN, parts=prior_of_kandinsky22, late=1),
    K22.row("KandinskyPriorPipeline", GIVEN, parts=prior_of_kandinsky22),
    K22.row("KandinskyV22Pipeline"),
    K22.row("KandinskyV22CombinedPipeline"),
    K22.row("KandinskyV22Img2ImgPipeline", late=1),
    K22.row("KandinskyV22Img2ImgCombinedPipeline", {"strength": 0.5}, late=2),  # the prior does not begin late
    K22.row("KandinskyV22InpaintPipeline", parts=inpainting),
    K22.row("KandinskyV22ControlnetPipeline", HINT, parts=hinted),
    K22.row("KandinskyV22ControlnetImg2ImgPipeline", HINT, parts=hinted, late=1),
    K22.row("KandinskyV22InpaintCombinedPipeline", parts=inpainting),
    K3.row("Kandinsky3Pipeline"),
    K3.row("Kandinsky3Img2ImgPipeline", {"image": picture().resize((64, 64))}, late=1),
    UNCLIP.row("UnCLIPPipeline"),
    UNCLIP.row("UnCLIPImageVariationPipeline"),
    STABLE_UNCLIP.row("StableUnCLIPPipeline"),
    STABLE_UNCLIP.row("StableUnCLIPImg2ImgPipeline"),
    CASCADE.row("StableCascadePriorPipeline", GIVEN),
    CASCADE.row("StableCascadeDecoderPipeline", {"image_embeddings": torch.linspace(-1, 1, 8 * 9).reshape(1, 8, 3, 3)}),
    CASCADE.row("StableCascadeCombinedPipeline"),
    WUERSTCHEN.row("WuerstchenPriorPipeline", GIVEN),
    WUERSTCHEN.row("WuerstchenDecoderPipeline", {"image_embeddings": torch.linspace(-1, 1, 36).reshape(1, 4, 3, 3)}),
    WUERSTCHEN.row("WuerstchenCombinedPipeline"),
    SHAPES.row("ShapEPipeline"),
    SHAPES.row("ShapEImg2ImgPipeline", parts=shapes_of_images),
)

"""Diffusion transformers for images: those that read prompts with T5 or a language model."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    HunyuanDiT2DControlNetModel,
    QwenImageControlNetModel,
    SanaControlNetModel,
    SCMScheduler,
)
from transformers import (
    Gemma2Config,
    Gemma2Model,
    GlmConfig,
    GlmModel,
    PreTrainedModel,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.pipelines.row import Kit, Parts, denoiser, of
from tests.pipelines.stable_diffusion import MASK
from tests.tiny import FAMILIES
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.llm_dit import WIDTHS
from tests.tiny.parts import image_vae, t5_text
from tests.tiny.tokenizers import MAX_LENGTH, gemma_tokenizer, qwen_tokenizer, t5_tokenizer

CALL: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 4.0,
    "image": picture(),
    "mask_image": MASK,
    "control_image": picture(),
    "strength": 0.75,
    "height": 32,
    "width": 32,
    "clean_caption": False,
    "use_resolution_binning": False,
    "max_sequence_length": MAX_LENGTH,
    "complex_human_instruction": None,
}
PERTURBED = {"pag_scale": 2.0}


def of_family(name: str, **call: Any) -> Kit:
    """The parts of a tiny pipeline."""
    return Kit(lambda: dict(FAMILIES[name].build().components), {**CALL, **call})


PIXART = of_family("pixart")
SANA = of_family("sana")
HUNYUANDIT = of_family("hunyuandit", height=64, width=64)
QWENIMAGE = of_family("qwenimage", height=64, width=64, true_cfg_scale=4.0)


def sana_sprint() -> Parts:
    """Guidance is embedded, and time is an angle."""
    transformer = denoiser(
        "SanaTransformer2DModel", caption_channels=32, guidance_embeds=True, qk_norm="rms_norm_across_heads"
    )
    return {"transformer": transformer, "scheduler": SCMScheduler()}


def sana_control() -> Parts:
    """A ControlNet of one block for a transformer of two."""
    shape = {"caption_channels": 32, "sample_size": 8}
    transformer = denoiser("SanaTransformer2DModel", **shape)
    names = set(inspect.signature(SanaControlNetModel.__init__).parameters)
    config = {name: value for name, value in transformer.config.items() if name in names}
    return {"transformer": transformer, "controlnet": SanaControlNetModel(**{**config, **shape, "num_layers": 1})}


def hunyuan_control() -> Parts:
    """A ControlNet of the first half of the blocks."""
    config = HUNYUANDIT.parts()["transformer"].config
    names = set(inspect.signature(HunyuanDiT2DControlNetModel.__init__).parameters)
    same = {name: value for name, value in config.items() if name in names}
    return {"controlnet": HunyuanDiT2DControlNetModel(**same, transformer_num_layers=6)}


def qwen_control() -> Parts:
    """A ControlNet of one block."""
    config = QWENIMAGE.parts()["transformer"].config
    names = ("patch_size", "in_channels", "out_channels", "num_attention_heads", "attention_head_dim")
    same = {name: config[name] for name in (*names, "joint_attention_dim", "axes_dims_rope")}
    return {"controlnet": QwenImageControlNetModel(**same, num_layers=1)}


def umt5() -> PreTrainedModel:
    """UMT5 encoder."""
    return UMT5EncoderModel(
        UMT5Config(vocab_size=len(t5_tokenizer()), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2)
    )


def gemma() -> Parts:
    """Gemma 2 as a reader."""
    tokenizer = gemma_tokenizer()
    config = Gemma2Config(vocab_size=len(tokenizer), num_hidden_layers=2, head_dim=16, **WIDTHS)
    return {"tokenizer": tokenizer, "text_encoder": Gemma2Model(config)}


def glm() -> Parts:
    """GLM as a reader."""
    tokenizer = qwen_tokenizer()
    tokenizer.padding_side = "left"
    config = GlmConfig(vocab_size=len(tokenizer), num_hidden_layers=2, head_dim=16, pad_token_id=0, **WIDTHS)
    return {"tokenizer": tokenizer, "text_encoder": GlmModel(config)}


def qwen3() -> Parts:
    """Qwen 3 as a reader."""
    tokenizer: Qwen2Tokenizer = qwen_tokenizer()
    config = Qwen3Config(vocab_size=len(tokenizer), num_hidden_layers=3, head_dim=16, **WIDTHS)
    return {"tokenizer": tokenizer, "text_encoder": Qwen3Model(config)}


def flowing(name: str, reader: Parts, vae: Any, **changes: Any) -> Parts:
    """A transformer that follows a flow."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    return {"transformer": denoiser(name, **changes), "vae": vae, "scheduler": scheduler, **reader}


def cogview4(**changes: Any) -> Parts:
    """CogView 4."""
    made = flowing("CogView4Transformer2DModel", glm(), image_vae(), text_embed_dim=32, **changes)
    return {**made, **of("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True)()}


DIT = Kit(
    lambda: {
        "transformer": denoiser("DiTTransformer2DModel"),
        "vae": image_vae(),
        **of("DDIMScheduler")(),
    },
    {"class_labels": [1], "guidance_scale": 4.0},
)
AURAFLOW = Kit(
    lambda: flowing(
        "AuraFlowTransformer2DModel",
        {"tokenizer": t5_tokenizer(), "text_encoder": umt5()},
        image_vae(),
        joint_attention_dim=32,
        sample_size=16,
        pos_embed_max_size=64,
    ),
    CALL,
)
LUMINA = Kit(
    lambda: flowing(
        "LuminaNextDiT2DModel", gemma(), image_vae(), cross_attention_dim=32, sample_size=16, learn_sigma=True
    ),
    CALL,
)
LUMINA2 = Kit(
    lambda: flowing(
        "Lumina2Transformer2DModel", gemma(), image_vae(shift_factor=0.1), cap_feat_dim=32, axes_lens=(300, 32, 32)
    ),
    CALL,
)
COGVIEW3 = Kit(
    lambda: {
        "tokenizer": t5_tokenizer(),
        "text_encoder": t5_text(),
        "vae": image_vae(),
        "transformer": denoiser(
            "CogView3PlusTransformer2DModel", text_embed_dim=32, sample_size=16, pos_embed_max_size=16
        ),
        **of("CogVideoXDDIMScheduler")(),
    },
    CALL,
)
COGVIEW4 = Kit(cogview4, CALL)
ZIMAGE = Kit(
    lambda: flowing(
        "ZImageTransformer2DModel", qwen3(), image_vae(shift_factor=0.1), cap_feat_dim=32, axes_lens=[1024, 64, 64]
    ),
    CALL,
)
PRX = Kit(
    lambda: flowing("PRXTransformer2DModel", {}, image_vae(shift_factor=0.1)),
    {
        **CALL,
        "prompt": None,
        "negative_prompt": "",
        "prompt_embeds": torch.linspace(-1, 1, 6 * 12).reshape(1, 6, 12),
        "negative_prompt_embeds": torch.linspace(1, -1, 6 * 12).reshape(1, 6, 12),
        "prompt_attention_mask": torch.ones(1, 6, dtype=torch.bool),
        "negative_prompt_attention_mask": torch.ones(1, 6, dtype=torch.bool),
    },
)
OVIS = Kit(
    lambda: {
        **flowing("OvisImageTransformer2DModel", qwen3(), image_vae(shift_factor=0.1)),
        "transformer": denoiser("OvisImageTransformer2DModel", in_channels=16, out_channels=16, joint_attention_dim=32),
    },
    {**CALL, "max_sequence_length": 64},
)
FLUX2 = Kit(
    lambda: flowing(
        "Flux2Transformer2DModel",
        {},
        AutoencoderKLFlux2(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=1,
            norm_num_groups=4,
            latent_channels=4,
        ),
        in_channels=16,
    ),
    {
        **CALL,
        "prompt": None,
        "prompt_embeds": torch.linspace(-1, 1, 6 * 12).reshape(1, 6, 12),
        "negative_prompt_embeds": torch.linspace(1, -1, 6 * 12).reshape(1, 6, 12),
    },
)

ROWS = (
    PIXART.row("PixArtAlphaPipeline"),
    PIXART.row("PixArtSigmaPipeline"),
    PIXART.row("PixArtSigmaPAGPipeline", PERTURBED),
    DIT.row("DiTPipeline"),
    HUNYUANDIT.row("HunyuanDiTPipeline", {"guidance_rescale": 0.7}),
    HUNYUANDIT.row("HunyuanDiTPAGPipeline", PERTURBED),
    HUNYUANDIT.row("HunyuanDiTControlNetPipeline", parts=hunyuan_control),
    SANA.row("SanaPipeline"),
    SANA.row("SanaPAGPipeline", PERTURBED),
    SANA.row("SanaControlNetPipeline", parts=sana_control),
    SANA.row("SanaSprintPipeline", {"intermediate_timesteps": None}, parts=sana_sprint),
    SANA.row("SanaSprintImg2ImgPipeline", {"intermediate_timesteps": None}, parts=sana_sprint, late=1),
    QWENIMAGE.row("QwenImagePipeline"),
    QWENIMAGE.row("QwenImagePipeline", {"true_cfg_scale": 1.0}, variant="unguided"),
    QWENIMAGE.row("QwenImageImg2ImgPipeline", late=1),
    QWENIMAGE.row("QwenImageInpaintPipeline", late=1),
    QWENIMAGE.row("QwenImageControlNetPipeline", parts=qwen_control),
    AURAFLOW.row("AuraFlowPipeline"),
    LUMINA.row("LuminaPipeline"),
    LUMINA2.row("Lumina2Pipeline"),
    LUMINA2.row("Lumina2Pipeline", {"cfg_trunc_ratio": 0.5}, variant="guided-half-way"),
    COGVIEW3.row("CogView3PlusPipeline"),
    COGVIEW4.row("CogView4Pipeline"),
    COGVIEW4.row("CogView4ControlPipeline", parts=lambda: {"transformer": cogview4(in_channels=8)["transformer"]}),
    ZIMAGE.row("ZImagePipeline"),
    ZIMAGE.row("ZImageImg2ImgPipeline", late=1),
    ZIMAGE.row("ZImageInpaintPipeline", late=1),
    PRX.row("PRXPipeline"),
    PRX.row(
        "PRXPixelPipeline",
        parts=lambda: {"transformer": denoiser("PRXTransformer2DModel", in_channels=3), "default_sample_size": 32},
    ),
    OVIS.row("OvisImagePipeline"),
    FLUX2.row("Flux2KleinPipeline", without=("image",)),
    FLUX2.row("Flux2KleinPipeline", {"image": picture().resize((64, 64))}, variant="edits"),
)

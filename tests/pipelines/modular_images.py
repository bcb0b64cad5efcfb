"""Modular pipelines of pictures."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AnimaTextConditioner, FlowMatchEulerDiscreteScheduler

from tests.pipelines import flux, stable_diffusion_3, stable_diffusion_xl
from tests.pipelines.modular import row
from tests.pipelines.qwen_images import EDITS, LAYERS, layered, megapixel
from tests.pipelines.row import Parts
from tests.pipelines.sequence_images import FLUX2, QWENIMAGE, ZIMAGE, qwen3
from tests.pipelines.token_images import IDEOGRAM, KREA2, LAYERED, MASKS, QWEN21, TOLD, flowing, frames
from tests.pipelines.told_images import ERNIE
from tests.pipelines.videos import cosmos_transformer
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.tokenizers import MAX_LENGTH, t5_tokenizer

SMALL = {"height": 32, "width": 32}
LARGE = {"height": 64, "width": 64}
SAID = {"prompt": PROMPT, "negative_prompt": NEGATIVE}
SHOWN = {"image": picture(), "strength": 0.75}
READ = ("text_encoder",)
XL = stable_diffusion_xl.KIT.parts
SD3 = stable_diffusion_3.KIT.parts
FLUX = flux.KIT.parts
LIMITED = {"max_sequence_length": MAX_LENGTH}
TOLD_TWICE: dict[str, Any] = {"prompt_embeds": TOLD, "negative_prompt_embeds": -TOLD, **MASKS}
BUNDLES = {**TOLD_TWICE, "prompt_embeds": LAYERED, "negative_prompt_embeds": -LAYERED}

SLOTS = {
    "image_pad_mask": torch.zeros(1, 6, dtype=torch.bool),
    "negative_image_pad_mask": torch.zeros(1, 6, dtype=torch.bool),
    "use_kv_cache": False,
}


def flux3(**changes: Any) -> Parts:
    """Return the parts of FLUX.3."""
    return flowing("Flux3Transformer2DModel", FLUX2.parts()["vae"], in_channels=16, **changes)


def flux3_distilled() -> Parts:
    """Return the parts of its distilled version, which is told where a step ends, too."""
    return flux3(flow_map=True)


def anima() -> Parts:
    """Return the parts of Anima: Cosmos's transformer, told what a conditioner makes of two readings of a prompt."""
    reader = qwen3()
    return {
        **reader,
        "t5_tokenizer": t5_tokenizer(),
        "text_conditioner": AnimaTextConditioner(
            source_dim=32,
            target_dim=32,
            model_dim=32,
            num_layers=1,
            num_attention_heads=2,
            target_vocab_size=len(t5_tokenizer()),
            min_sequence_length=MAX_LENGTH,
        ),
        "vae": frames("AutoencoderKLQwenImage"),
        "transformer": cosmos_transformer(16, 16),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


ROWS = (
    row("StableDiffusionXLModularPipeline", XL, {**SAID, **SMALL}),
    row("StableDiffusionXLModularPipeline", XL, {**SAID, **SMALL, **SHOWN}, late=1, variant="from-a-picture"),
    row("StableDiffusion3ModularPipeline", SD3, {**SAID, **SMALL, **LIMITED}),
    row("FluxModularPipeline", FLUX, {"prompt": PROMPT, **SMALL, **LIMITED}),
    row("FluxModularPipeline", FLUX, {"prompt": PROMPT, **SMALL, **LIMITED, **SHOWN}, late=1, variant="from-a-picture"),
    row(
        "FluxKontextModularPipeline",
        FLUX,
        {"prompt": PROMPT, **SMALL, **LIMITED, "_auto_resize": False, "max_area": 1024, "image": picture()},
    ),
    row("Flux2ModularPipeline", FLUX2.parts, {**SMALL, "prompt_embeds": TOLD}, without=READ),
    row("Flux2KleinModularPipeline", FLUX2.parts, {**SMALL, "prompt_embeds": TOLD}, without=READ),
    row("Flux2KleinBaseModularPipeline", FLUX2.parts, {**SMALL, **TOLD_TWICE}, without=READ),
    row("Krea2ModularPipeline", KREA2.parts, {**LARGE, **BUNDLES}, without=READ),
    row("Krea2TurboModularPipeline", KREA2.parts, {**LARGE, **BUNDLES}, without=READ),
    row("QwenImageModularPipeline", QWENIMAGE.parts, {**SAID, **LARGE}),
    row(
        "QwenImageModularPipeline",
        QWENIMAGE.parts,
        {**SAID, **LARGE, "image": picture().resize((64, 64)), "strength": 0.75},
        late=1,
        variant="from-a-picture",
    ),
    row("ZImageModularPipeline", ZIMAGE.parts, {**SAID, **SMALL, "cfg_normalization": False}),
    row("Flux3ModularPipeline", flux3, {**LARGE, **TOLD_TWICE}, without=("prompt_upsampler", "text_encoder")),
    row(
        "Flux3DistilledModularPipeline",
        flux3_distilled,
        {**LARGE, **TOLD_TWICE},
        without=("prompt_upsampler", "text_encoder"),
    ),
    row(
        "Ideogram4ModularPipeline",
        IDEOGRAM.parts,
        {**SMALL, "text_features": TOLD, "text_lengths": [6], "guidance_schedule": (7.0, 7.0, 7.0, 3.0)},
        without=("prompt_upsample", "text_encoder"),
    ),
    row("QwenImage21ModularPipeline", QWEN21.parts, {**LARGE, **TOLD_TWICE, **SLOTS}, without=READ),
    row("QwenImage21TurboModularPipeline", QWEN21.parts, {**LARGE, **TOLD_TWICE, **SLOTS}, without=READ),
    row(
        "QwenImageEditModularPipeline",
        QWENIMAGE.parts,
        {**EDITS, "image": picture()},
        own=megapixel,
        without=READ,
    ),
    row(
        "QwenImageEditPlusModularPipeline",
        QWENIMAGE.parts,
        {**EDITS, "image": [picture()] * 2},
        own=megapixel,
        without=READ,
    ),
    row("QwenImageLayeredModularPipeline", QWENIMAGE.parts, {**LAYERS, "image": picture()}, own=layered, without=READ),
    row("AnimaModularPipeline", anima, {**SAID, **LARGE}),
    row(
        "ErnieImageModularPipeline",
        ERNIE.parts,
        {**SMALL, "prompt_embeds": [TOLD[0]], "negative_prompt_embeds": [-TOLD[0, :4]]},
        without=("prompt_enhancer", "text_encoder"),
    ),
)

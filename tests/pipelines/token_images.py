"""Image transformers whose latents come as packed tokens; they are told what a language model would say of a prompt."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tests.matrix.recipe import normal
from tests.pipelines.row import Kit, Parts, denoiser
from tests.pipelines.sequence_images import FLUX2
from tests.pipelines.stable_diffusion import MASK
from tests.pipelines.stand_ins import Stub, Thumbnails, says
from tests.tiny.autoencoders import AUTOENCODERS
from tests.tiny.base import picture
from tests.tiny.parts import clip_text, image_vae

TOLD = normal(1, 6, 12)
LAYERED = normal(1, 6, 3, 12)
LARGE = picture().resize((64, 64))
CALL: dict[str, Any] = {
    "prompt_embeds": TOLD,
    "negative_prompt_embeds": -TOLD,
    "guidance_scale": 4.0,
    "height": 64,
    "width": 64,
}
EDIT = '{"edit_instruction": "a hat"}'
MASKS = {
    "prompt_embeds_mask": torch.ones(1, 6, dtype=torch.bool),
    "negative_prompt_embeds_mask": torch.ones(1, 6, dtype=torch.bool),
}


def flowing(name: str, vae: Any, **changes: Any) -> Parts:
    """A transformer that follows a flow."""
    return {"transformer": denoiser(name, **changes), "vae": vae, "scheduler": FlowMatchEulerDiscreteScheduler()}


def frames(name: str = "AutoencoderKLWan") -> Any:
    """An autoencoder of videos, for one frame."""
    return AUTOENCODERS[name]()[0]


def layers(pipe: Any, prompt: Any, **_: Any) -> Any:
    """BRIA FIBO: what every layer of its reader says; of no prompt it says less."""
    tokens = 6 if "".join(prompt) else 2
    return normal(1, tokens, 12), [normal(1, tokens, 6) for _ in range(4)], torch.ones(1, tokens)


def words(pipe: Any, prompt: Any, image: Any = None) -> Any:
    """LongCat-Image: of no prompt its reader says less."""
    return normal(1, 6 if "".join(prompt) else 2, 12)


def ideogram(pipe: Any, grid_h: int, grid_w: int, max_sequence_length: int, device: Any, **_: Any) -> Any:
    """Ideogram: the prompt's tokens, padded in front, with room for those of the picture."""
    ids = pipe._prepare_ids(torch.tensor([6]), grid_h, grid_w, max_sequence_length, device)
    return normal(1, max_sequence_length + grid_h * grid_w, 12), *ids


def qwen21(pipe: Any, prompt: Any, image: Any, device: Any) -> Any:
    """Qwen-Image 2.1: a slot of the prompt stands for two by two tokens of a picture."""
    slots = torch.zeros(1, 6, dtype=torch.bool)
    slots[:, 1:5] = image is not None
    return TOLD, torch.ones(1, 6), slots


BRIA = Kit(lambda: flowing("BriaTransformer2DModel", image_vae(shift_factor=0.1), in_channels=16), CALL)
FIBO = Kit(
    lambda: {**flowing("BriaFiboTransformer2DModel", frames(), in_channels=16), "text_encoder": clip_text()},
    {"prompt": "a fox", "guidance_scale": 4.0, "height": 64, "width": 64},
)
LONGCAT = Kit(
    lambda: {
        **flowing("LongCatImageTransformer2DModel", image_vae(16, shift_factor=0.1), in_channels=64),
        "text_processor": Stub(image_processor=None),
    },
    {"prompt": "a fox", "guidance_scale": 4.0, "height": 64, "width": 64, "enable_prompt_rewrite": False},
)
NUCLEUS = Kit(
    lambda: flowing("NucleusMoEImageTransformer2DModel", frames(), in_channels=64, out_channels=16),
    {**CALL, **MASKS},
)
KREA2 = Kit(
    lambda: flowing("Krea2Transformer2DModel", frames(), in_channels=64),
    {**CALL, **MASKS, "prompt_embeds": LAYERED, "negative_prompt_embeds": -LAYERED},
)
IDEOGRAM = Kit(
    lambda: {
        **flowing("Ideogram4Transformer2DModel", FLUX2.parts()["vae"], in_channels=16),
        "unconditional_transformer": denoiser("Ideogram4Transformer2DModel", in_channels=16),
    },
    {"prompt": "a fox", "guidance_scale": 4.0, "guidance_schedule": None, "height": 32, "width": 32}
    | {"max_sequence_length": 8},
)
QWEN21 = Kit(
    lambda: {
        **flowing("QwenImage21Transformer2DModel", frames("AutoencoderKLQwenImage21"), in_channels=8, out_channels=8),
        "processor": Stub(apply_chat_template=lambda *_, **__: [[0, 1]], tokenizer=Stub(encode=lambda *_, **__: [0])),
    },
    {**CALL, **MASKS, "true_cfg_scale": 4.0, "use_kv_cache": False},
)

ROWS = (
    BRIA.row("BriaPipeline"),
    FIBO.row("BriaFiboPipeline", after=says(get_prompt_embeds=layers)),
    FIBO.row("BriaFiboEditPipeline", {"image": LARGE, "prompt": EDIT}, after=says(get_prompt_embeds=layers)),
    LONGCAT.row("LongCatImagePipeline", after=says(_encode_prompt=words)),
    LONGCAT.row(
        "LongCatImageEditPipeline",
        {"image": picture()},
        parts=lambda: {"vae": Thumbnails()},
        after=says(_encode_prompt=words),
    ),
    NUCLEUS.row("NucleusMoEImagePipeline"),
    KREA2.row("Krea2Pipeline"),
    IDEOGRAM.row("Ideogram4Pipeline", after=says(encode_prompt=ideogram)),
    QWEN21.row("QwenImage21Pipeline"),
    QWEN21.row(
        "QwenImage21Pipeline",
        {"use_kv_cache": True},
        anew=(2, 3),  # the prompt's tokens are left out from the second step on
        variant="keys-kept",
        fault="its stored bytes are predicted of the fewer tokens of later steps",
    ),
    QWEN21.row(
        "QwenImage21Pipeline",
        {"prompt": "a fox", "negative_prompt": "", "image": LARGE, "output_resolution": 64},
        without=("prompt_embeds", "negative_prompt_embeds", *MASKS),
        after=says(_get_qwen_prompt_embeds=qwen21),
        variant="edits",
    ),
    FLUX2.row("Flux2Pipeline", {"image": LARGE}),
    FLUX2.row("Flux2KleinInpaintPipeline", {"image": LARGE, "mask_image": MASK}, late=1),
    FLUX2.row(
        "Flux2KleinKVPipeline",
        {"image": LARGE},
        parts=lambda: {"transformer": denoiser("Flux2Transformer2DModel", in_channels=16)},
    ),
)

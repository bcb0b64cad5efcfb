"""Kandinsky 2.1: as Kandinsky 2.2, but the U-Net is told the prompt, too."""

from __future__ import annotations

from diffusers import UNet2DConditionModel
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

from tests.pipelines.priors import COMMON, K22, SEEN
from tests.pipelines.row import Kit, Parts, of, plain
from tests.tiny.tokenizers import bert_tokenizer


def unet(channels: int = 4) -> UNet2DConditionModel:
    """Told the prompt and its picture, both as tokens and by its time embedding."""
    told = {"encoder_hid_dim_type": "text_image_proj", "addition_embed_type": "text_image", "encoder_hid_dim": 16}
    config = {**plain(K22.parts()["unet"].config), **told, "cross_attention_dim": 32, "in_channels": channels}
    return UNet2DConditionModel(**config)


def parts() -> Parts:
    """The prior and the autoencoder of Kandinsky 2.2; XLM-RoBERTa reads prompts."""
    tokenizer = bert_tokenizer()
    config = MCLIPConfig(
        transformerDimSize=16,
        imageDimSize=32,
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=80,
        pad_token_id=tokenizer.pad_token_id,
    )
    return {
        **K22.parts(),
        "tokenizer": tokenizer,
        "text_encoder": MultilingualCLIP(config),
        "unet": unet(),
        **of("DDIMScheduler", beta_start=0.00085, beta_end=0.012, clip_sample=False, prediction_type="epsilon")(),
    }


KIT = Kit(parts, {**COMMON, "height": 64, "width": 64, "image_embeds": SEEN, "negative_image_embeds": -SEEN})
HALF = {"strength": 0.5}
"""The prior does not begin late."""


def inpainting() -> Parts:
    """A U-Net that is shown the picture, and where it is to be kept."""
    return {"unet": unet(9)}


ROWS = (
    KIT.row("KandinskyPipeline"),
    KIT.row("KandinskyImg2ImgPipeline", late=1),
    KIT.row("KandinskyInpaintPipeline", parts=inpainting),
    KIT.row("KandinskyCombinedPipeline"),
    KIT.row("KandinskyImg2ImgCombinedPipeline", HALF, late=2),
    KIT.row("KandinskyInpaintCombinedPipeline", parts=inpainting),
)

"""Text encoders and image autoencoders that several families share."""

from diffusers import AutoencoderKL
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    T5Config,
    T5EncoderModel,
)

from tests.tiny.tokenizers import bert_tokenizer, clip_tokenizer, t5_tokenizer


def clip_config(width: int, projection: int) -> CLIPTextConfig:
    """CLIP text configuration for the tokenizer of letters."""
    tokenizer = clip_tokenizer()
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=projection,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def clip_text(width: int = 32) -> CLIPTextModel:
    """CLIP text encoder."""
    return CLIPTextModel(clip_config(width, width))


def clip_text_projected(width: int = 32, projection: int = 32) -> CLIPTextModelWithProjection:
    """CLIP text encoder with a pooled, projected output."""
    return CLIPTextModelWithProjection(clip_config(width, projection))


def clip_vision_config(projection: int = 16) -> CLIPVisionConfig:
    """CLIP image configuration: 4 patches, at the 224x224 that pipelines take for granted."""
    return CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        projection_dim=projection,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=112,
    )


def t5_text(width: int = 32) -> T5EncoderModel:
    """T5 encoder, gated feed-forward as in T5 1.1."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokenizer()),
            d_model=width,
            d_kv=8,
            d_ff=2 * width,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def bert_text(width: int = 32) -> BertModel:
    """BERT encoder for 77 tokens."""
    return BertModel(
        BertConfig(
            vocab_size=len(bert_tokenizer()),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=77,
        )
    )


def image_vae(latent_channels: int = 4, levels: int = 2, shift_factor: float | None = None) -> AutoencoderKL:
    """Image autoencoder that halves the size `levels - 1` times: latents of 16x16 at 32x32 by default."""
    return AutoencoderKL(
        block_out_channels=(8, 16, 16, 16)[:levels],
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=4,
        sample_size=32,
        scaling_factor=0.5,
        shift_factor=shift_factor,
    )

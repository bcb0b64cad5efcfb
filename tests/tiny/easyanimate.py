"""EasyAnimate 5.1: a vision-language model reads the prompt, and latent frames are decoded one after another."""

from diffusers import (
    AutoencoderKLMagvit,
    EasyAnimatePipeline,
    EasyAnimateTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
)
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.llm_dit import WIDTHS
from tests.tiny.tokenizers import qwen_tokenizer


@seeded
def build_easyanimate() -> EasyAnimatePipeline:
    """Two blocks with weights of their own for the text, and two that treat both streams alike."""
    transformer = EasyAnimateTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        patch_size=2,
        num_layers=4,
        mmdit_layers=2,
        time_embed_dim=16,
        add_norm_text_encoder=True,
        text_embed_dim=32,
    )
    vae = AutoencoderKLMagvit(latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    tokenizer = qwen_tokenizer()
    text = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "num_hidden_layers": 2,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4},
            **WIDTHS,
        },
        vision_config={
            "depth": 1,
            "embed_dim": 16,
            "hidden_size": 32,
            "num_heads": 2,
        },
    )
    return EasyAnimatePipeline(
        vae=vae,
        text_encoder=Qwen2VLForConditionalGeneration(text),
        tokenizer=tokenizer,
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    )


EASYANIMATE = Tiny(
    "easyanimate",
    build_easyanimate,
    # Prompts are always padded to 256 tokens.
    caller(
        {"guidance_scale": 4.0, "negative_prompt": NEGATIVE},
        {"guidance_scale": 1.0},
        prompt=PROMPT,
        num_frames=9,
        height=32,
        width=32,
    ),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)

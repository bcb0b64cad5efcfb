"""Diffusion transformers whose text encoder is a language model."""

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLQwenImage,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
)
from transformers import (
    Gemma2Config,
    Gemma2Model,
    LlamaConfig,
    LlamaModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.parts import clip_text
from tests.tiny.tokenizers import (
    MAX_LENGTH,
    clip_tokenizer,
    gemma_tokenizer,
    llama_tokenizer,
    qwen_tokenizer,
)

WIDTHS = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@seeded
def build_hunyuan_video() -> HunyuanVideoPipeline:
    """HunyuanVideo: 2 double and 3 single blocks, after 2 that refine the text."""
    transformer = HunyuanVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        num_single_layers=3,
        num_refiner_layers=2,
        text_embed_dim=32,
        pooled_projection_dim=32,
        rope_axes_dim=(4, 6, 6),
    )
    vae = AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4
    )
    tokenizer = llama_tokenizer()
    # The pipeline reads the third hidden state from the end.
    llama = LlamaConfig(vocab_size=len(tokenizer), num_hidden_layers=3, **WIDTHS)
    return HunyuanVideoPipeline(
        text_encoder=LlamaModel(llama),
        tokenizer=tokenizer,
        transformer=transformer,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=clip_text(),
        tokenizer_2=clip_tokenizer(),
    )


@seeded
def build_qwenimage() -> QwenImagePipeline:
    """Qwen-Image, with a vision-language model that sees text only."""
    transformer = QwenImageTransformer2DModel(
        in_channels=64,
        out_channels=16,
        num_layers=4,
        num_attention_heads=2,
        attention_head_dim=16,
        joint_attention_dim=32,
        axes_dims_rope=(4, 6, 6),
    )
    hollow = QwenImagePipeline(None, None, None, None, None)
    tokenizer = qwen_tokenizer(hollow.prompt_template_encode)
    text = Qwen2_5_VLConfig(
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
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
        },
    )
    vae = AutoencoderKLQwenImage(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    # Its random residual branches would drown the latents.
    torch.nn.init.normal_(vae.decoder.conv_in.weight)
    return QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02),
        vae=vae,
        text_encoder=Qwen2_5_VLForConditionalGeneration(text),
        tokenizer=tokenizer,
        transformer=transformer,
    )


@seeded
def build_sana() -> SanaPipeline:
    """Sana: linear self-attention, convolutional feed-forward."""
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=16,
        cross_attention_dim=32,
        caption_channels=32,
        sample_size=8,
    )
    vae = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_out_channels=(8, 16, 16),
        decoder_block_out_channels=(8, 16, 16),
        encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()),
    )
    tokenizer = gemma_tokenizer()
    gemma = Gemma2Config(vocab_size=len(tokenizer), num_hidden_layers=2, head_dim=16, **WIDTHS)
    return SanaPipeline(
        tokenizer=tokenizer,
        text_encoder=Gemma2Model(gemma),
        vae=vae,
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
    )


HUNYUAN_VIDEO = Tiny(
    "hunyuan_video",
    build_hunyuan_video,
    # Guidance is embedded. The usual template counts tokens of the real vocabulary.
    caller(
        {"guidance_scale": 6.0},
        {"guidance_scale": 1.0},
        prompt=PROMPT,
        prompt_template={"template": "{}", "crop_start": 0},
        max_sequence_length=MAX_LENGTH,
        num_frames=9,
        height=32,
        width=32,
    ),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=5,
    block_lists=("transformer.transformer_blocks", "transformer.single_transformer_blocks"),
)
QWENIMAGE = Tiny(
    "qwenimage",
    build_qwenimage,
    caller(
        {"true_cfg_scale": 4.0, "negative_prompt": NEGATIVE},
        {"true_cfg_scale": 1.0},
        prompt=PROMPT,
        height=64,
        width=64,
    ),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=2,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
SANA = Tiny(
    "sana",
    build_sana,
    caller(
        {"guidance_scale": 4.0, "negative_prompt": NEGATIVE},
        {"guidance_scale": 1.0},
        prompt=PROMPT,
        complex_human_instruction=None,
        use_resolution_binning=False,
        max_sequence_length=MAX_LENGTH,
        height=32,
        width=32,
    ),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)

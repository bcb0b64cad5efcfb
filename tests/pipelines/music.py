"""Sound by diffusion transformers on latents of waves."""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import AutoencoderSAME, FlowMatchEulerDiscreteScheduler
from diffusers.models import LongCatAudioDiTVae
from diffusers.pipelines.ace_step import AceStepConditionEncoder
from diffusers.pipelines.stable_audio_3 import StableAudio3DurationEmbedder
from transformers import Qwen3Config, Qwen3Model, T5GemmaConfig, T5GemmaEncoderModel

from tests.pipelines.audio import WAVES
from tests.pipelines.row import Kit, Parts, denoiser
from tests.tiny.base import NEGATIVE, PROMPT
from tests.tiny.llm_dit import WIDTHS
from tests.tiny.tokenizers import gemma_tokenizer, qwen_tokenizer, t5_tokenizer
from tests.tiny.video_dit import wan_text

CALL: dict[str, Any] = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 3.0}


def stable_audio_3() -> Parts:
    """Return the parts of Stable Audio 3: 16 latents of 8 channels are a wave of 128 samples."""
    tokenizer = gemma_tokenizer()
    layers = {"vocab_size": len(tokenizer), "num_hidden_layers": 2, "head_dim": 16, **WIDTHS}
    text = T5GemmaConfig(encoder=layers, decoder=layers, vocab_size=len(tokenizer))
    text.is_encoder_decoder = False
    return {
        "vae": AutoencoderSAME(
            audio_channels=2,
            patch_size=4,
            encoder_channels=16,
            encoder_c_mults=[1],
            encoder_strides=[2],
            encoder_transformer_depths=[1],
            latent_dim=8,
            dim_heads=8,
            ff_mult=1,
            sampling_rate=64,
        ),
        "text_encoder": T5GemmaEncoderModel(text),
        "tokenizer": tokenizer,
        "duration_embedder": StableAudio3DurationEmbedder(output_dim=32, fourier_dim=8),
        "transformer": denoiser("StableAudio3DiTModel", cond_token_dim=32, global_cond_dim=32, local_add_cond_dim=9),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=1.0, stochastic_sampling=True),
    }


def ace_step() -> Parts:
    """Return the parts of ACE-Step: 8 channels of latents, told a style, lyrics and a timbre."""
    tokenizer = qwen_tokenizer()
    text = Qwen3Config(vocab_size=len(tokenizer), num_hidden_layers=2, head_dim=16, **WIDTHS)
    encoder = AceStepConditionEncoder(
        hidden_size=32,
        intermediate_size=32,
        text_hidden_dim=32,
        timbre_hidden_dim=8,
        num_lyric_encoder_hidden_layers=1,
        num_timbre_encoder_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=4,
    )
    return {
        "vae": WAVES.parts()["vae"],
        "text_encoder": Qwen3Model(text),
        "tokenizer": tokenizer,
        "transformer": denoiser("AceStepTransformer1DModel"),
        "condition_encoder": encoder,
        "scheduler": FlowMatchEulerDiscreteScheduler(num_train_timesteps=1),
    }


def longcat() -> Parts:
    """Return the parts of LongCat-AudioDiT: 8 channels of latents, of 4 samples each."""
    return {
        "vae": LongCatAudioDiTVae(
            channels=4,
            c_mults=[1, 2],
            strides=[2],
            latent_dim=8,
            encoder_latent_dim=16,
            downsampling_ratio=4,
            sample_rate=64,
        ),
        "text_encoder": wan_text(),
        "tokenizer": t5_tokenizer(),
        "transformer": denoiser("LongCatAudioDiTTransformer", dit_text_dim=32),
    }


def sine(samples: int, channels: int = 2) -> torch.Tensor:
    """Return a wave to start from, `(1, channels, samples)`."""
    return torch.linspace(0, 4 * math.pi, samples).sin().expand(1, channels, samples)


STABLE_AUDIO_3 = Kit(stable_audio_3, {**CALL, "output_type": "pt", "duration": 2.0})
ACE_STEP = Kit(ace_step, {**CALL, "output_type": "pt", "audio_duration": 2.0, "lyrics": "la la"})
LONGCAT = Kit(longcat, {**CALL, "audio_duration_s": 1.0})
REFERENCE = {"audio": sine(128)}

ROWS = (
    STABLE_AUDIO_3.row("StableAudio3Pipeline"),
    STABLE_AUDIO_3.row("StableAudio3AudioToAudioPipeline", {**REFERENCE, "init_noise_level": 0.8}),
    STABLE_AUDIO_3.row(
        "StableAudio3InpaintPipeline", {**REFERENCE, "mask_start_seconds": 0.5, "mask_end_seconds": 1.0}
    ),
    ACE_STEP.row("AceStepPipeline"),
    ACE_STEP.row("AceStepPipeline", {"cfg_interval_start": 0.5}, variant="guided-late"),
    LONGCAT.row("LongCatAudioDiTPipeline"),
)

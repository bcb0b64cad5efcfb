"""Sound by way of spectrograms."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import PIL.Image
import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.pipelines.audioldm2 import AudioLDM2ProjectionModel
from diffusers.pipelines.deprecated.spectrogram_diffusion.continuous_encoder import SpectrogramContEncoder
from diffusers.pipelines.deprecated.spectrogram_diffusion.notes_encoder import SpectrogramNotesEncoder
from transformers import ClapAudioConfig, ClapConfig, ClapModel, GPT2Config, GPT2LMHeadModel

from tests.pipelines.audio import SPECTROGRAMS, clap
from tests.pipelines.row import Kit, Parts, denoiser, of
from tests.tiny.parts import t5_text
from tests.tiny.tokenizers import t5_tokenizer

DEPRECATED = "diffusers.pipelines.deprecated"
BANDS = 128
"""Bands of a spectrogram, which Spectrogram Diffusion fixes, as it does the number of frames in a chunk."""
CHUNK = 256


def audioldm2() -> Parts:
    """Return the parts of AudioLDM 2: a U-Net that attends to T5's embeddings and to GPT-2's."""
    sound = ClapAudioConfig(
        spec_size=8,
        window_size=4,
        num_mel_bins=8,
        patch_size=2,
        patch_stride=[2, 2],
        patch_embeds_hidden_size=8,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        hidden_size=16,
        projection_dim=16,
    )
    config = ClapConfig(text_config=clap().config.to_dict(), audio_config=sound.to_dict(), projection_dim=16)
    tokenizer = t5_tokenizer()
    language = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=12, n_layer=2, n_head=2)
    language.max_new_tokens = 4
    return {
        "text_encoder": ClapModel(config),
        "text_encoder_2": t5_text(width=10),
        "tokenizer_2": tokenizer,
        "projection_model": AudioLDM2ProjectionModel(text_encoder_dim=16, text_encoder_1_dim=10, langauge_model_dim=12),
        "language_model": GPT2LMHeadModel(language),
        "unet": denoiser("AudioLDM2UNet2DConditionModel", sample_size=(32, 4), layers_per_block=1),
    }


class Mel(ConfigMixin, SchedulerMixin):
    """Make a sound of a spectrogram: a stand-in for diffusers' own, which needs librosa."""

    config_name: ClassVar[str] = "mel_config.json"

    def get_sample_rate(self) -> int:
        """Return samples a second."""
        return 64

    def image_to_audio(self, image: PIL.Image.Image) -> np.ndarray:
        """Return the picture's rows, one after the other."""
        return np.asarray(image, dtype=np.float32).ravel() / 255


def pictures_of_sound() -> Parts:
    """Return the parts of Audio Diffusion: a U-Net for pictures, and what makes a sound of one."""
    return {"unet": denoiser("UNet2DModel", in_channels=1, out_channels=1), "mel": Mel(), **of("DDIMScheduler")()}


class Extended:
    """Turn a mask into what attention adds to its scores: transformers 5 dropped the method that diffusers calls."""

    def get_extended_attention_mask(self, mask: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return 0 for tokens to be seen, a large negative number for others, `(batch, 1, 1, tokens)`."""
        return (1.0 - mask[:, None, None].float()) * torch.finfo(torch.float32).min


class Notes(Extended, SpectrogramNotesEncoder):
    """Read notes."""


class Before(Extended, SpectrogramContEncoder):
    """Read the chunk before."""


def notes() -> Parts:
    """Return the parts of Spectrogram Diffusion: a decoder that is shown notes and the chunk before."""
    sizes: dict[str, Any] = {"d_model": 16, "num_layers": 1, "num_heads": 2, "d_kv": 8, "d_ff": 32, "dropout_rate": 0.1}
    sizes["feed_forward_proj"] = "gated-gelu"
    return {
        "notes_encoder": Notes(max_length=8, vocab_size=16, **sizes),
        "continuous_encoder": Before(input_dims=BANDS, targets_context_length=CHUNK, **sizes),
        "decoder": denoiser("T5FilmDecoder", input_dims=BANDS, targets_length=CHUNK),
        **of("DDPMScheduler", beta_schedule="squaredcos_cap_v2", variance_type="fixed_large")(),
    }


PICTURES = Kit(pictures_of_sound, {"steps": 4})
NOTES = Kit(notes, {"output_type": "mel", "input_tokens": [[3, 5, 7, 1], [4, 6, 2, 1]]})

ROWS = (
    SPECTROGRAMS.row("AudioLDM2Pipeline", {"max_new_tokens": 4}, parts=audioldm2),
    PICTURES.row("AudioDiffusionPipeline", module=f"{DEPRECATED}.audio_diffusion.pipeline_audio_diffusion"),
    NOTES.row(
        "SpectrogramDiffusionPipeline", module=f"{DEPRECATED}.spectrogram_diffusion.pipeline_spectrogram_diffusion"
    ),
)

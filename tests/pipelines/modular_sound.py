"""Modular pipelines of videos with sound, of sound, and of videos driven by others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from diffusers import (
    AutoencoderKLMiniMaxH3Audio,
    FlowMatchEulerDiscreteScheduler,
    MiniMaxH3Scheduler,
    MiniMaxMusic3ConditionEncoder,
    MiniMaxMusic3Vocoder,
)

from tests.matrix.recipe import normal
from tests.pipelines.cosmos import COSMOS3
from tests.pipelines.ltx2 import LTX2, SEEN, TOKENS, WIDTH
from tests.pipelines.modular import row
from tests.pipelines.row import Parts, denoiser
from tests.pipelines.videos import FRAMES, WAN
from tests.tiny.autoencoders import AUTOENCODERS
from tests.tiny.base import NEGATIVE, PROMPT, picture

SMALL = {"height": 32, "width": 32, "num_frames": 9}
FILM = ("videos", "audio")
READ = ("text_encoder",)
SAID = normal(1, TOKENS, WIDTH)
CONNECTED: dict[str, Any] = {
    **{f"{sign}connector_prompt_embeds": SAID * value for sign, value in (("", 1), ("negative_", -1))},
    **{f"{sign}connector_audio_prompt_embeds": SAID[..., :16] * value for sign, value in (("", 1), ("negative_", -1))},
    "connector_attention_mask": SEEN,
    "negative_connector_attention_mask": SEEN,
    "batch_size": 1,
    "dtype": torch.float32,
}


class Sees(torch.nn.Module):
    """Look at a picture as a CLIP of width 1280 would."""

    dtype = torch.float32
    device = torch.device("cpu")

    def forward(self, **_: Any) -> Any:
        """Return three tokens, by layers."""
        return SimpleNamespace(hidden_states=[normal(1, 3, 1280)] * 2)


def animate2() -> Parts:
    """Return the parts of Wan-Animate 2: keys and values of what drives it are kept in a cache of its own."""
    return {
        **WAN.parts(),
        "image_encoder": Sees(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "transformer": denoiser("WanAnimate2Transformer3DModel", in_dim=36, out_dim=16, text_dim=32),
    }


def minimax_h3() -> Parts:
    """Return the parts of MiniMax-H3: video and sound are stepped by a scheduler each."""
    return {
        "vae": AUTOENCODERS["AutoencoderKLMiniMaxH3"]()[0],
        "audio_vae": AutoencoderKLMiniMaxH3Audio(
            encoder_dim=4,
            encoder_rates=(2, 2),
            latent_dim=16,
            latent_channels=4,
            num_attention_heads=2,
            decoder_dim=8,
            decoder_rates=(2, 2),
            decoder_kernel_sizes=(4, 4),
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1,),),
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        "transformer": denoiser("MiniMaxH3Transformer3DModel", in_channels=4, audio_in_channels=4),
        "scheduler": MiniMaxH3Scheduler(),
        "audio_scheduler": MiniMaxH3Scheduler(shift=4.0),
    }


def music3() -> Parts:
    """Return the parts of MiniMax Music 3: what a language model heard is denoised, window by window."""
    return {
        "condition_encoder": MiniMaxMusic3ConditionEncoder(condition_hidden_dim=6, num_condition_layers=2, out_dim=12),
        "transformer": denoiser("MiniMaxMusic3Transformer1DModel"),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "vocoder": MiniMaxMusic3Vocoder(
            latent_channels=8, decoder_input_dim=8, decoder_hidden_dim=16, upsampling_ratios=(2, 2)
        ),
    }


def euler() -> Parts:
    """Return the scheduler of a distilled model."""
    return {"scheduler": FlowMatchEulerDiscreteScheduler()}


def unchecked(pipe: Any) -> None:
    """Let no safety checker be loaded."""
    pipe.disable_safety_checker()


def distilled(pipe: Any) -> None:
    """Let it take four steps, at sigmas that its configuration names."""
    unchecked(pipe)
    pipe.register_to_config(distilled_sigmas=[1.0, 0.9, 0.6, 0.3])


SPOKEN = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "use_system_prompt": False,
    "add_resolution_template": False,
    "add_duration_template": False,
}
DRIVEN = {
    **SMALL,
    "image": picture(),
    "driving_video": FRAMES[:5],
    "segment_frame_length": 5,
    "prompt_embeds": normal(1, 6, 32),
    "negative_prompt_embeds": normal(1, 6, 32) * -1,
    "prompt_ref_embeds": normal(1, 6, 32) / 2,
}
ROWS = (
    row("LTX2ModularPipeline", LTX2.parts, {**SMALL, **CONNECTED}, without=READ, output=FILM),
    row(
        "LTX25ModularPipeline",
        LTX2.parts,
        {**SMALL, **CONNECTED, "output_type": "latent"},
        without=READ,
        output=FILM,
    ),
    row(
        "EchoModularPipeline",
        LTX2.parts,
        {**SMALL, **CONNECTED, "sigmas": [1.0, 0.9, 0.6, 0.3, 0.0]},
        without=READ,
        steps=(0, 1, 2, 3),
        output=FILM,
    ),
    row("Cosmos3OmniModularPipeline", COSMOS3.parts, {**SMALL, **SPOKEN}, after=unchecked, output=FILM[:1]),
    row(
        "Cosmos3DistilledModularPipeline",
        COSMOS3.parts,
        {**SMALL, **SPOKEN},
        own=euler,
        after=distilled,
        output=FILM[:1],
    ),
    row("WanAnimate2ModularPipeline", animate2, DRIVEN, without=READ, output=FILM[:1]),
    row("WanAnimate2DistilledModularPipeline", animate2, DRIVEN, without=READ, output=FILM[:1]),
    row(
        "MiniMaxH3ModularPipeline",
        minimax_h3,
        {
            "height": 16,
            "width": 16,
            "num_frames": 124,
            "num_inference_steps": 6,
            "prompt_embeds": normal(1, 4, 8),
            "text_token_tags": torch.ones(4, dtype=torch.long),
        },
        without=READ,
        fault="sound and video are told one time in the first step and two after it, so that layers that are told are "
        "computed once more, and others are not: a row cannot say so",
        output=FILM,
    ),
    row(
        "MiniMaxMusic3ModularPipeline",
        music3,
        {"frame_hiddens": normal(1, 8, 12)},
        without=("semantic_generator",),
        output=("audios",),
    ),
)

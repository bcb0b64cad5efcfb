"""Diffusion transformers for video."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLCosmos,
    CosmosTransformer3DModel,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoTransformer3DModel,
    SkyReelsV2Transformer3DModel,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
)
from transformers import CLIPImageProcessor, CLIPVisionModel, CLIPVisionModelWithProjection

from tests.pipelines.row import Kit, Parts, denoiser, plain
from tests.pipelines.sequence_images import gemma
from tests.pipelines.stable_diffusion import MASK
from tests.tiny import FAMILIES
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.parts import clip_vision_config, t5_text
from tests.tiny.tokenizers import MAX_LENGTH, t5_tokenizer
from tests.tiny.video_dit import wan_transformer, wan_vae

FRAMES = [picture().rotate(3 * angle) for angle in range(9)]
CALL: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 4.0,
    "height": 32,
    "width": 32,
    "num_frames": 9,
    "frames": 9,
    "image": picture(),
    "video": FRAMES,
    "strength": 0.75,
    "max_sequence_length": MAX_LENGTH,
    "clean_caption": False,
    "use_resolution_binning": False,
    "complex_human_instruction": None,
}


def of_family(name: str, **call: Any) -> Kit:
    """The parts of a tiny pipeline."""
    return Kit(lambda: dict(FAMILIES[name].build().components), {**CALL, **call})


# Most of Wan's relatives clean prompts with a package that is not needed here: they are told what it would have said.
TOLD = {
    "prompt": None,
    "negative_prompt": None,
    "prompt_embeds": torch.linspace(-1, 1, 6 * 32).reshape(1, 6, 32),
    "negative_prompt_embeds": torch.linspace(1, -1, 6 * 32).reshape(1, 6, 32),
}
WAN = of_family("wan")
WAN_TOLD = of_family("wan", **TOLD)
COGVIDEOX = of_family("cogvideox")
LTX = of_family("ltx")
UNSHIFTED = {"scheduler": FlowMatchEulerDiscreteScheduler()}
HUNYUAN = of_family("hunyuan_video", prompt_template={"template": "{}", "crop_start": 0}, guidance_scale=6.0)
MOCHI = of_family("mochi", num_frames=7)
LATTE = of_family("latte", video_length=5)
ALLEGRO = of_family("allegro", num_frames=8)
EASYANIMATE = of_family("easyanimate")


def wan_from_image() -> Parts:
    """Wan 2.1 image-to-video: 16 channels of latents, 4 of the mask, 16 of the picture, which a CLIP looks at, too."""
    config = {**plain(wan_transformer().config), "in_channels": 36, "image_dim": 16, "added_kv_proj_dim": 24}
    return {
        "transformer": WanTransformer3DModel(**config),
        "image_encoder": CLIPVisionModel(clip_vision_config()),
        "image_processor": CLIPImageProcessor(),
    }


def wan22_from_image() -> Parts:
    """Wan 2.2 image-to-video: no CLIP, and a transformer for each half."""
    config = {**wan_transformer().config, "in_channels": 36}
    first, second = (WanTransformer3DModel.from_config(config) for _ in range(2))
    return {"transformer": first, "transformer_2": second, "boundary_ratio": 0.875}


def wan_of_5b() -> Parts:
    """Wan 2.2 of 5B: one time for each token."""
    return {"expand_timesteps": True}


def wan22() -> Parts:
    """Wan 2.2 text-to-video: a transformer for each half."""
    return {"transformer_2": wan_transformer(), "boundary_ratio": 0.875}


def vace() -> Parts:
    """Wan that is controlled by a video."""
    layers = {"num_layers": 4, "vace_layers": [0, 2], "vace_in_channels": 96}
    return {
        "transformer": denoiser("WanVACETransformer3DModel", in_channels=16, out_channels=16, text_dim=32, **layers)
    }


def lucy() -> Parts:
    """Wan that edits a video, which is concatenated to the latents."""
    config = {**wan_transformer().config, "in_channels": 32}
    return {"transformer": WanTransformer3DModel.from_config(config), "expand_timesteps": True}


def skyreels(**changes: Any) -> Any:
    """SkyReels 2; its forced diffusion tells each frame its own time."""

    def parts() -> Parts:
        names = ("num_attention_heads", "attention_head_dim", "in_channels", "out_channels", "text_dim", "freq_dim")
        config = {
            name: wan_transformer().config[name] for name in (*names, "ffn_dim", "num_layers", "rope_max_seq_len")
        }
        scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
        return {"transformer": SkyReelsV2Transformer3DModel(**{**config, **changes}), "scheduler": scheduler}

    return parts


def skyreels_from_image() -> Parts:
    """One that a CLIP shows the picture."""
    return {
        **skyreels(in_channels=36, image_dim=16, added_kv_proj_dim=24)(),
        "image_encoder": CLIPVisionModelWithProjection(clip_vision_config()),
        "image_processor": CLIPImageProcessor(),
    }


def cogvideox(**changes: Any) -> Any:
    """CogVideoX with other channels."""

    def parts() -> Parts:
        transformer = COGVIDEOX.parts()["transformer"]
        return {"transformer": type(transformer)(**{**plain(transformer.config), **changes})}

    return parts


def skyreels_hunyuan() -> Parts:
    """HunyuanVideo with twice the channels."""
    config = plain(HUNYUAN.parts()["transformer"].config)
    return {"transformer": HunyuanVideoTransformer3DModel(**{**config, "in_channels": 8})}


def cosmos() -> Parts:
    """Cosmos 1: noise as EDM has it."""
    vae = AutoencoderKLCosmos(
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 8, 8),
        decode_block_out_channels=(8, 8, 8, 8),
        attention_resolutions=(8,),
        resolution=64,
        num_layers=1,
        patch_size=4,
        spatial_compression_ratio=4,
        temporal_compression_ratio=4,
    )
    return {
        "text_encoder": t5_text(),
        "tokenizer": t5_tokenizer(),
        "vae": vae,
        "transformer": cosmos_transformer(4, 4),
        "scheduler": EDMEulerScheduler(sigma_min=0.002, sigma_max=80, sigma_data=0.5, final_sigmas_type="sigma_min"),
        "safety_checker": silent(),
    }


def cosmos2() -> Parts:
    """Cosmos 2: a flow, and the autoencoder of Wan."""
    return {
        **cosmos(),
        "vae": wan_vae(),
        "transformer": cosmos_transformer(16, 16),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True),
    }


def cosmos_transformer(channels: int, out: int) -> CosmosTransformer3DModel:
    """Two blocks."""
    shape = {"in_channels": channels, "out_channels": out, "text_embed_dim": 32}
    return denoiser("CosmosTransformer3DModel", **shape)


class Silent(torch.nn.Module):
    """A safety checker that finds nothing."""

    device = torch.device("cpu")
    dtype = torch.float32

    def check_text_safety(self, prompt: str) -> bool:
        """Every prompt is safe."""
        return True

    def check_video_safety(self, video: Any) -> Any:
        """Every video is safe."""
        return video


def silent() -> torch.nn.Module:
    """A safety checker that finds nothing."""
    return Silent()


COSMOS = Kit(cosmos, CALL)
COSMOS2 = Kit(cosmos2, CALL)
SANA_VIDEO = Kit(
    lambda: {
        **gemma(),
        "vae": wan_vae(),
        "transformer": denoiser("SanaVideoTransformer3DModel", in_channels=16, out_channels=16, caption_channels=32),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    },
    CALL,
)
FORCED = {"base_num_frames": 9, "addnoise_condition": 0}
BY_CAUSE = {**FORCED, "ar_step": 2, "causal_block_size": 1}
LONG = {"num_frames": 17, "base_num_frames": 9, "overlap_history": 1, "addnoise_condition": 0}

AFTER = "transformer made 8 steps where the scheduler has 4"

ROWS = (
    WAN.row("WanPipeline"),
    WAN.row("WanPipeline", parts=wan22, variant="two-transformers"),
    WAN.row("WanPipeline", parts=wan_of_5b, variant="a-time-for-each-token"),
    WAN_TOLD.row("WanVideoToVideoPipeline", late=1),
    WAN_TOLD.row("WanImageToVideoPipeline", parts=wan_from_image),
    WAN_TOLD.row("WanImageToVideoPipeline", parts=wan22_from_image, variant="two-transformers"),
    WAN_TOLD.row("WanVACEPipeline", {"mask": [MASK] * 9}, parts=vace),
    WAN_TOLD.row("LucyEditPipeline", parts=lucy),
    WAN_TOLD.row("SkyReelsV2Pipeline", parts=skyreels()),
    WAN_TOLD.row("SkyReelsV2ImageToVideoPipeline", parts=skyreels_from_image),
    WAN_TOLD.row("SkyReelsV2DiffusionForcingPipeline", FORCED, parts=skyreels()),
    WAN_TOLD.row(
        "SkyReelsV2DiffusionForcingPipeline", BY_CAUSE, parts=skyreels(), variant="frame-by-frame", warns=AFTER
    ),
    WAN_TOLD.row("SkyReelsV2DiffusionForcingPipeline", LONG, parts=skyreels(), variant="long"),
    WAN_TOLD.row("SkyReelsV2DiffusionForcingImageToVideoPipeline", FORCED, parts=skyreels()),
    WAN_TOLD.row(
        "SkyReelsV2DiffusionForcingVideoToVideoPipeline",
        {"video": FRAMES[:5], "overlap_history": 5, **FORCED},
        parts=skyreels(),
    ),
    COGVIDEOX.row("CogVideoXPipeline", {"use_dynamic_cfg": True}),
    COGVIDEOX.row("CogVideoXImageToVideoPipeline", parts=cogvideox(in_channels=8)),
    COGVIDEOX.row("CogVideoXVideoToVideoPipeline", late=1),
    COGVIDEOX.row("CogVideoXFunControlPipeline", {"control_video": FRAMES}, parts=cogvideox(in_channels=8)),
    LTX.row("LTXPipeline", {"guidance_rescale": 0.7}),
    LTX.row("LTXImageToVideoPipeline"),
    LTX.row("LTXConditionPipeline", parts=lambda: UNSHIFTED, without=("video", "strength")),
    LTX.row(
        "LTXConditionPipeline",
        {"denoise_strength": 0.75},
        parts=lambda: UNSHIFTED,
        without=("image", "strength"),
        late=1,
        variant="video",
    ),
    HUNYUAN.row("HunyuanVideoPipeline"),
    HUNYUAN.row("HunyuanVideoPipeline", {"true_cfg_scale": 2.0}, variant="guided-twice"),
    HUNYUAN.row("HunyuanSkyreelsImageToVideoPipeline", {"true_cfg_scale": 2.0}, parts=skyreels_hunyuan),
    MOCHI.row("MochiPipeline"),
    LATTE.row("LattePipeline"),
    ALLEGRO.row("AllegroPipeline"),
    EASYANIMATE.row("EasyAnimatePipeline", {"guidance_rescale": 0.7}),
    COSMOS.row("CosmosTextToWorldPipeline"),
    COSMOS.row(
        "CosmosVideoToWorldPipeline",
        parts=lambda: {"transformer": cosmos_transformer(5, 4)},
        without=("video",),
    ),
    COSMOS2.row("Cosmos2TextToImagePipeline"),
    COSMOS2.row(
        "Cosmos2VideoToWorldPipeline",
        parts=lambda: {"transformer": cosmos_transformer(17, 16)},
        without=("video",),
    ),
    SANA_VIDEO.row("SanaVideoPipeline"),
    SANA_VIDEO.row("SanaImageToVideoPipeline"),
)

"""What diffusers deprecates and still ships: on the U-Net of Stable Diffusion, with loops of its own."""

from __future__ import annotations

from typing import Any

from diffusers import AutoencoderKL
from diffusers.pipelines.deprecated.blip_diffusion.blip_image_processing import BlipImageProcessor
from diffusers.pipelines.deprecated.blip_diffusion.modeling_ctx_clip import ContextCLIPTextModel
from diffusers.pipelines.deprecated.paint_by_example import PaintByExampleImageEncoder
from diffusers.pipelines.stable_diffusion import CLIPImageProjection
from transformers import CLIPImageProcessor

from tests.matrix.recipe import normal
from tests.pipelines.audio import SPECTROGRAMS
from tests.pipelines.row import Parts, of, plain
from tests.pipelines.stable_diffusion import OFFSET, controlnet, image_encoder, row, small_unet, with_unet
from tests.pipelines.stand_ins import Stub, says
from tests.tiny.base import picture
from tests.tiny.parts import clip_config, clip_text, clip_vision_config, image_vae


def with_depth() -> Parts:
    """An autoencoder of colours and depth."""
    return {"vae": AutoencoderKL(**{**plain(image_vae().config), "in_channels": 6, "out_channels": 6})}


def grounded() -> Parts:
    """A U-Net that is told, and shown, what lies where."""
    return {
        "unet": small_unet(attention_type="gated-text-image", attention_head_dim=(2, 4)),
        "processor": CLIPImageProcessor(),
        "image_project": CLIPImageProjection(32),
        **image_encoder(),
    }


def by_example() -> Parts:
    """A U-Net that is shown the picture, what to keep, and an example instead of a prompt."""
    return {
        "unet": small_unet(in_channels=9),
        "image_encoder": PaintByExampleImageEncoder(clip_vision_config(projection=32)),
        "feature_extractor": CLIPImageProcessor(),
    }


def blip() -> Parts:
    """A reader that is told a subject along with the prompt."""
    return {
        "text_encoder": ContextCLIPTextModel(clip_config(32, 32)),
        "qformer": Stub(config=Stub(num_query_tokens=4)),
        "image_processor": BlipImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False),
    }


def subject(*_: Any) -> Any:
    """What BLIP-2 sees of the reference picture."""
    return normal(1, 4, 32)


def latent() -> Parts:
    """The first latent diffusion: its factor is 8."""
    return {"vqvae": image_vae(levels=4), "bert": clip_text()}


def music(*_: Any, **__: Any) -> Any:
    """What CLAP says of no prompt, and of one."""
    return normal(2, 16)


PARALLEL = of("DDIMParallelScheduler", **OFFSET)
TURNED = {"source_embeds": normal(2, 16, 32), "target_embeds": -normal(2, 16, 32)}
BOXES = {"gligen_phrases": ["a fox"], "gligen_images": [picture()], "gligen_boxes": [[0.1, 0.2, 0.7, 0.8]]}
SUBJECT = {
    "prompt": ["in the snow"],
    "reference_image": picture(),
    "source_subject_category": ["fox"],
    "target_subject_category": ["fox"],
    "prompt_reps": 1,
}

ROWS = (
    row("AltDiffusionPipeline"),
    row("AltDiffusionImg2ImgPipeline", late=1),
    row("BlipDiffusionPipeline", SUBJECT, parts=blip, after=says(get_query_embeddings=subject)),
    row(
        "BlipDiffusionControlNetPipeline",
        {**SUBJECT, "condtioning_image": picture()},
        parts=lambda: {**blip(), **controlnet()},
        after=says(get_query_embeddings=subject),
    ),
    row("LDMTextToImagePipeline", {"height": 128, "width": 128}, parts=latent),
    SPECTROGRAMS.row("MusicLDMPipeline", after=says(_encode_prompt=music)),
    row("PaintByExamplePipeline", {"example_image": picture()}, parts=by_example),
    row("StableDiffusionGLIGENTextImagePipeline", BOXES, parts=grounded),
    row("StableDiffusionInpaintPipelineLegacy", late=1),
    row("StableDiffusionLDM3DPipeline", parts=with_depth),
    row("StableDiffusionModelEditingPipeline", parts=with_unet()),
    row("StableDiffusionParadigmsPipeline", {"parallel": 1}, parts=PARALLEL),
    row("StableDiffusionParadigmsPipeline", {"parallel": 2, "tolerance": 0.0}, parts=PARALLEL, variant="two-at-once"),
    row("StableDiffusionPipelineSafe", {"sld_warmup_steps": 1}),
)

"""Z-Image that is shown a picture to follow, or several to draw from."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import ZImageControlNetModel

from tests.matrix.recipe import normal
from tests.pipelines.row import Parts, denoiser
from tests.pipelines.sequence_images import ZIMAGE
from tests.pipelines.stand_ins import says
from tests.tiny.base import picture
from tests.tiny.parts import image_vae

WIDTHS = {"cap_feat_dim": 32, "axes_lens": [1024, 64, 64]}


def control(channels: int) -> Parts:
    """A ControlNet, which takes over the embedders of the transformer, and a transformer of its own."""
    transformer = denoiser("ZImageTransformer2DModel", **WIDTHS)
    places = {"control_layers_places": [0], "control_refiner_layers_places": [0], "control_in_dim": channels}
    config = {name: transformer.config[name] for name in ("dim", "n_refiner_layers", "n_heads", "n_kv_heads")}
    return {"transformer": transformer, "controlnet": ZImageControlNetModel(**config, **places)}


def seeing() -> Parts:
    """A transformer that is told what SigLIP sees; the pipeline takes for granted that pictures are encoded in bf16."""
    vae = image_vae(shift_factor=0.1).to(torch.bfloat16)
    return {"transformer": denoiser("ZImageTransformer2DModel", **WIDTHS, siglip_feat_dim=12), "vae": vae}


def seen(pipe: Any, images: Any, batch_size: int, **_: Any) -> Any:
    """What SigLIP sees of each picture."""
    return [[normal(2, 2, 12) for _ in images] for _ in range(batch_size)]


ROWS = (
    ZIMAGE.row("ZImageControlNetPipeline", parts=lambda: control(4)),
    ZIMAGE.row("ZImageControlNetInpaintPipeline", parts=lambda: control(9)),
    ZIMAGE.row(
        "ZImageOmniPipeline",
        {"image": [picture().resize((64, 64))]},
        parts=seeing,
        after=says(prepare_siglip_embeds=seen),
    ),
)

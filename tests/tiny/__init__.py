"""Tiny real diffusers pipelines with random weights, built offline: `FAMILIES["pixart"].build()`."""

from tests.tiny.base import KNOWN_WARNINGS, Tiny, share
from tests.tiny.image_dit import FLUX, HUNYUANDIT, PIXART, SD3
from tests.tiny.image_unet import SD15, SDXL
from tests.tiny.video_dit import COGVIDEOX, WAN
from tests.tiny.video_unet import ANIMATEDIFF, SVD

FAMILIES: dict[str, Tiny] = {
    tiny.name: tiny for tiny in (PIXART, FLUX, SD3, WAN, COGVIDEOX, HUNYUANDIT, SD15, SDXL, SVD, ANIMATEDIFF)
}

__all__ = ["FAMILIES", "KNOWN_WARNINGS", "Tiny", "share"]

"""Tiny real diffusers pipelines with random weights, built offline: `FAMILIES["pixart"].build()`."""

from tests.tiny.base import KNOWN_WARNINGS, Tiny, share
from tests.tiny.easyanimate import EASYANIMATE
from tests.tiny.flux import FLUX, FLUX_IMG2IMG
from tests.tiny.image_dit import HUNYUANDIT, PIXART, PIXART_SIGMA, SD3
from tests.tiny.image_unet import SD15, SD15_IMG2IMG, SDXL
from tests.tiny.llm_dit import HUNYUAN_VIDEO, QWENIMAGE, SANA
from tests.tiny.t5_video import ALLEGRO, LATTE, LTX, MOCHI
from tests.tiny.two_stage import KANDINSKY22, STABLE_CASCADE
from tests.tiny.video_dit import COGVIDEOX, WAN, WAN22
from tests.tiny.video_unet import ANIMATEDIFF, SVD, TEXT_TO_VIDEO_SD

_TINIES = [PIXART, PIXART_SIGMA, FLUX, FLUX_IMG2IMG, SD3, HUNYUANDIT, QWENIMAGE, SANA]
_TINIES += [WAN, WAN22, COGVIDEOX, LTX, MOCHI, LATTE, ALLEGRO, HUNYUAN_VIDEO, EASYANIMATE]
_TINIES += [SD15, SD15_IMG2IMG, SDXL, SVD, ANIMATEDIFF, TEXT_TO_VIDEO_SD, STABLE_CASCADE, KANDINSKY22]

FAMILIES: dict[str, Tiny] = {tiny.name: tiny for tiny in _TINIES}

FAMILY_OF = {name: tiny.build.__module__.rpartition(".")[2] for name, tiny in FAMILIES.items()}
"""The wider family of each: the file that it is built in."""

KIND_OF = {name: tiny.kind for name, tiny in FAMILIES.items()}
"""`dit` or `unet`."""

__all__ = ["FAMILIES", "FAMILY_OF", "KIND_OF", "KNOWN_WARNINGS", "Tiny", "share"]

"""Least computationally beneficial and frequently used: Nirvana's rule for what diffusion models computed."""

from __future__ import annotations

from ..policy import Item
from .ranked import Ranked


class LCBFU(Ranked):
    """Evicts the lowest of count x seconds saved, without ageing.

    Nirvana's entries are of one size, and so its score has none; its benefit is the number of steps that a stored
    latent skips, which is here the seconds that the answer saves.
    """

    name = "lcbfu"
    summary = "count x seconds saved, without ageing (Nirvana)"
    paper = "Agarwal et al., Approximate Caching for Efficiently Serving Text-to-Image Diffusion Models, NSDI 2024"

    def _rank(self, item: Item, count: int) -> float:
        return count * item.seconds  # LCBFU score = f_i x K_i

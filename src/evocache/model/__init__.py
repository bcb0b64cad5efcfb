"""What a pipeline is made of: denoisers, blocks, leaves, U-Net stages; found by structure, not by class."""

from .discover import Denoiser, Model, discover

__all__ = ["Denoiser", "Model", "discover"]

"""Metrics: what a schedule costs, and how far its output is from the uncached one. numpy only, float64 inside.

Those that need a trained network are asked for by their modules: `lpips`, `clip_score`, `image_reward`.
"""

from .checks import MetricError
from .cost import Timing, flops, interleaved
from .distribution import frechet_distance
from .image import psnr, ssim
from .latent import LatentError, latent_error
from .video import (
    ChangeError,
    Consistency,
    FrameScores,
    change_error,
    frechet_video_distance,
    temporal_consistency,
    video_psnr,
    video_ssim,
)

__all__ = [
    "ChangeError",
    "Consistency",
    "FrameScores",
    "LatentError",
    "MetricError",
    "Timing",
    "change_error",
    "flops",
    "frechet_distance",
    "frechet_video_distance",
    "interleaved",
    "latent_error",
    "psnr",
    "ssim",
    "temporal_consistency",
    "video_psnr",
    "video_ssim",
]

"""Metrics: what a schedule costs, and how far its output is from the uncached one. numpy only, float64 inside.

In: arrays of images, videos or latents; calls to time. Out: one figure for each, or seconds.

- `image`, `latent`, `video`, `distribution`: PSNR and SSIM, latent error, the same by frames, Frechet distance
- `lpips`, `clip_score`, `image_reward`: need a trained network, and are asked for by their modules
- `cost`: operations on paper
- `timing`, `clocks`: seconds of cases beside one another, and the clocks that count them
- `checks`, `backbones`, `picture_arrays`, `versions`: what these share

Imports `errors`, and the model's probe as a type; nothing that runs.
"""

from .checks import MetricError
from .cost import flops
from .distribution import frechet_distance
from .image import psnr, ssim
from .latent import LatentError, latent_error
from .timing import Timing, time_interleaved
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
    "latent_error",
    "psnr",
    "ssim",
    "temporal_consistency",
    "time_interleaved",
    "video_psnr",
    "video_ssim",
]

"""LPIPS: how different images look, by features of a classifier (Zhang et al. 2018, arXiv 1801.03924).

Needs two weight files in one folder, which evocache does not ship:

| network | torchvision's classifier | heads, from the `lpips` package |
|---|---|---|
| `alex` | `alexnet*.pth` (such as alexnet-owt-7be5be79.pth) | `alex.pth` (lpips/weights/v0.1) |
| `vgg` | `vgg16*.pth` (such as vgg16-397923af.pth) | `vgg.pth` (lpips/weights/v0.1) |

Where both are there, `alex` is taken, which the authors recommend for comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .backbones import VGG16, AlexNet, Stack
from .checks import Floats, MetricError, as_images, same_shape

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""What images in [-1, 1] are normalised by: ImageNet's mean and deviation in that range."""

EPSILON = 1e-10
"""Added to the length of a feature before dividing by it, as the authors' code does."""

BATCH = 8
"""Pairs compared at a time, so that features of large images stay within memory."""

NETWORKS: Mapping[str, tuple[Callable[[], Stack], str]] = {
    "alex": (AlexNet, "alexnet*.pth"),
    "vgg": (VGG16, "vgg16*.pth"),
}


class _Head(nn.Module):
    """Weights of one tap's channels; keys as in the `lpips` package, where a dropout comes first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, squares: Tensor) -> Tensor:
        """Squared differences (n, channels, height, width) -> weighted sums, averaged over places (n,)."""
        out: Tensor = self.model(squares)
        return out.mean(dim=(1, 2, 3))


class Lpips(nn.Module):
    """The distance of pairs of images: weighted squared differences of unit-length features, averaged over places.

    Args:
        stack: the classifier's convolutions.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        for i, channels in enumerate(stack.channels):
            self.add_module(f"lin{i}", _Head(channels))
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).reshape(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu") -> Lpips:
        """Return the metric with the weights in a folder.

        Raises:
            MetricError: if they are not there, or are of something else.
        """
        network, classifier, heads = _files(Path(folder).expanduser())
        metric = cls(NETWORKS[network][0]())
        features = {k: v for k, v in _weights(classifier).items() if k.startswith("features.")}
        _fill(metric.stack, features, classifier)
        own = {f"stack.{k}": v for k, v in metric.stack.state_dict().items()}
        _fill(metric, {**own, **{k: v for k, v in _weights(heads).items() if k.startswith("lin")}}, heads)
        return metric.to(device)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Compute the distances (n,) of images (n, 3, height, width) in [-1, 1] (eq. 1)."""
        first, second = (self.stack((x - self.shift) / self.scale) for x in (a, b))
        total = torch.zeros(len(a), device=a.device, dtype=a.dtype)
        for i, (x, y) in enumerate(zip(first, second, strict=True)):
            total = total + self.get_submodule(f"lin{i}")((_unit(x) - _unit(y)).square())
        return total

    @torch.no_grad()
    def distance(self, a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
        """Compute the distances of pairs of images, lower is more alike; 0 for identical ones.

        Args:
            a: images (n, height, width, 3), floats in [0, 1] or unsigned bytes.
            b: images of the same shape.

        Returns:
            (n,)

        Raises:
            MetricError: if these are not images in colour, not as many or as large, or smaller than the network takes.
        """
        first, second = as_images(a, "images"), as_images(b, "reference images")
        same_shape(first, second)
        if first.shape[3] != 3 or min(first.shape[1:3]) < self.stack.least:
            least = f"(n, height, width, 3), at least {self.stack.least} pixels along each side"
            raise MetricError(f"images of shape {first.shape}", least, "use another metric, such as ssim")
        starts = range(0, len(first), BATCH)
        parts = [self(self._tensor(first[i : i + BATCH]), self._tensor(second[i : i + BATCH])) for i in starts]
        found: Floats = torch.cat(parts).double().cpu().numpy()
        return found

    def _tensor(self, images: Floats) -> Tensor:
        return torch.from_numpy(np.moveaxis(images, 3, 1) * 2 - 1).to(self.shift)


def _unit(features: Tensor) -> Tensor:
    """Features (n, channels, height, width), of length 1 along the channels."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)


def _files(folder: Path) -> tuple[str, Path, Path]:
    """The network whose two files are in a folder, and these."""
    for network, (_, pattern) in NETWORKS.items():
        classifiers, heads = sorted(folder.glob(pattern)), folder / f"{network}.pth"
        if classifiers and heads.is_file():
            return network, classifiers[0], heads
    pairs = " or ".join(f"{pattern} and {network}.pth" for network, (_, pattern) in NETWORKS.items())
    found = ", ".join(sorted(p.name for p in folder.glob("*.pth"))[:5]) or "no .pth file"
    given = f"{str(folder)!r} with {found}" if folder.is_dir() else f"{str(folder)!r}, which is no folder"
    raise MetricError(given, f"the weights of LPIPS: {pairs}", "fetch torchvision's and the lpips package's files")


def _weights(file: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the bytes lead it to
        given = f"{str(file)!r} ({type(error).__name__})"
        raise MetricError(given, "a file of weights", "fetch it again") from error
    if not isinstance(found, dict):
        raise MetricError(f"{str(file)!r}, a {type(found).__name__}", "a state dict", "fetch the weights alone")
    return found


def _fill(module: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    try:
        module.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        lines = str(error).splitlines()
        given = f"{str(file)!r} ({lines[1 if len(lines) > 1 else 0].strip()[:120]})"
        raise MetricError(
            given, f"weights for {', '.join(list(module.state_dict())[-2:])}", "fetch it again"
        ) from error

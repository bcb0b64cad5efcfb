"""A small network that says what is on a picture, to score prompt accuracy.

Its functions are rewards of images and prompts: `evocache evolve --quality evocache.zoo.judge:agreement`.
Trained by `training/judge.py` on degraded renderings of the same glyphs; never on generated
pictures or on reconstructions of the zoo's VAE.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from evocache.errors import ZooError
from evocache.zoo.prompts import parse

FOLDER = Path(__file__).parent / "weights" / "judge"
SIZE = 48
FEATURES = 128


@dataclass(frozen=True)
class JudgeScore:
    """Shares in [0, 1] of the pictures on which the judge agrees with the prompt."""

    top1: float
    top5: float
    background: float
    count: int


def make_convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution of 3x3 and batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Residual block that halves the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = make_convolution(inputs, outputs, stride=2)
        self.second = make_convolution(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, outputs, h / 2, w / 2) of features (n, inputs, h, w)."""
        straight = self.skip(nn.functional.avg_pool2d(x, 2))
        out: Tensor = self.second(torch.relu(self.first(x))) + straight
        return torch.relu(out)


class Judge(nn.Module):
    """Images in [0, 1] -> class and background logits, and features for a Frechet distance."""

    def __init__(self, classes: Sequence[str], backgrounds: Sequence[str]) -> None:
        super().__init__()
        self.classes, self.backgrounds = tuple(classes), tuple(backgrounds)
        self.stem = make_convolution(3, 24)
        self.blocks = nn.Sequential(Block(24, 48), Block(48, 96), Block(96, FEATURES))
        self.class_head = nn.Linear(FEATURES, len(self.classes))
        self.background_head = nn.Linear(FEATURES, len(self.backgrounds))

    def embed(self, pixels: Tensor) -> Tensor:
        """Return embeddings (n, 128) of pictures (n, 3, 48, 48) in [0, 1]."""
        out: Tensor = self.blocks(torch.relu(self.stem(pixels * 4 - 2)))
        # Mean keeps how much there is of something, maximum keeps that it is there at all.
        return out.mean((2, 3)) + out.amax((2, 3)) / 4

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, classes) and (n, backgrounds) of pictures (n, 3, 48, 48) in [0, 1]."""
        features = self.embed(pixels)
        return self.class_head(features), self.background_head(features)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Judge:
        """Load the trained judge, ready to score."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        judge = cls(config["classes"], config["backgrounds"])
        weights = load_file(folder / "model.safetensors")
        judge.load_state_dict({name: value.float() for name, value in weights.items()})
        return judge.requires_grad_(False).eval()

    def _pixels(self, images: NDArray[np.floating] | Tensor) -> Tensor:
        pixels = torch.as_tensor(images).detach().to(self.class_head.weight)
        if pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise ZooError(
                given=f"images of shape {tuple(pixels.shape)}",
                expected="shape (n, height, width, 3), values in [0, 1]",
                mend="ask the pipeline for output_type='np', or stack the pictures channels last",
            )
        pixels = pixels.permute(0, 3, 1, 2)
        if pixels.shape[-2:] != (SIZE, SIZE):
            pixels = nn.functional.interpolate(pixels, (SIZE, SIZE), mode="area")
        return pixels.clamp(0, 1)

    @torch.no_grad()
    def features(self, images: NDArray[np.floating] | Tensor) -> NDArray[np.float32]:
        """Images (n, height, width, 3) in [0, 1] -> features (n, 128)."""
        found: NDArray[np.float32] = self.embed(self._pixels(images)).float().cpu().numpy()
        return found

    @torch.no_grad()
    def score(self, images: NDArray[np.floating] | Tensor, prompts: Sequence[str]) -> JudgeScore:
        """Compare images (n, height, width, 3) in [0, 1] with the prompts they were made for."""
        (class_logits, kinds), (background_logits, grounds) = self._asked(images, prompts)
        hits = class_logits.topk(5).indices == kinds[:, None]
        return JudgeScore(
            top1=hits[:, 0].double().mean().item(),
            top5=hits.any(1).double().mean().item(),
            background=(background_logits.argmax(1) == grounds).double().mean().item(),
            count=len(prompts),
        )

    @torch.no_grad()
    def agreement(self, images: NDArray[np.floating] | Tensor, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Log-probability (n,) of the class and background asked for, taken as independent; at most 0."""
        parts = [
            logits.double().log_softmax(1).gather(1, asked[:, None])[:, 0]
            for logits, asked in self._asked(images, prompts)
        ]
        found: NDArray[np.float64] = torch.stack(parts).sum(0).numpy()
        return found

    @torch.no_grad()
    def accuracy(self, images: NDArray[np.floating] | Tensor, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return 1 for each picture whose class and background are those asked for, else 0; (n,)."""
        hits = [logits.argmax(1) == asked for logits, asked in self._asked(images, prompts)]
        found: NDArray[np.float64] = torch.stack(hits).all(0).double().numpy()
        return found

    def _asked(
        self, images: NDArray[np.floating] | Tensor, prompts: Sequence[str]
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Logits (n, classes) and (n, backgrounds), each with the indices (n,) that the prompts ask for."""
        pixels = self._pixels(images)
        if len(prompts) != len(pixels) or not prompts:
            raise ZooError(
                given=f"{len(pixels)} images and {len(prompts)} prompts",
                expected="one prompt for each image, at least one",
                mend="repeat a prompt for every image made from it",
            )
        pairs = [parse(prompt) for prompt in prompts]
        kinds = torch.tensor([self.classes.index(kind) for kind, _ in pairs])
        grounds = torch.tensor([self.backgrounds.index(ground) for _, ground in pairs])
        class_logits, background_logits = (logits.cpu() for logits in self(pixels))
        return (class_logits, kinds), (background_logits, grounds)


def agreement(images: NDArray[np.floating] | Tensor, prompts: Sequence[str]) -> NDArray[np.float64]:
    """Return `Judge.agreement` of the trained judge: a reward that rises smoothly."""
    return _trained().agreement(images, prompts)


def accuracy(images: NDArray[np.floating] | Tensor, prompts: Sequence[str]) -> NDArray[np.float64]:
    """Return `Judge.accuracy` of the trained judge: the figure that is reported, as a reward."""
    return _trained().accuracy(images, prompts)


@functools.cache
def _trained() -> Judge:
    return Judge.load()

"""Says what is on a video and how it moves, to score prompt accuracy of videos.

A second network knows the motion; the object and the background are told by a judge of frames, the
form of `judge.Judge` trained on frames that are turned and of all sizes.
Its functions are rewards of videos and prompts: `evocache evolve --quality evocache.zoo.video_judge:agreement`.
Trained by `training/video_judge.py` on degraded renderings; never on generated videos or on
reconstructions of the zoo's VAE.
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
from evocache.zoo import motions, prompts
from evocache.zoo.judge import SIZE, Block, Judge, make_convolution

FOLDER = Path(__file__).parent / "weights" / "video-judge"
FEATURES = 128

Videos = NDArray[np.floating] | Tensor


@dataclass(frozen=True)
class VideoScore:
    """Shares in [0, 1] of the videos on which the judge agrees with the prompt."""

    object: float
    background: float
    motion: float
    #: Object, background and motion at once.
    all: float
    count: int


class MotionJudge(nn.Module):
    """Videos in [0, 1] -> motion logits, and features for a Frechet distance of videos.

    It sees all frames of a video at once, as channels of one small picture.
    """

    def __init__(self, motions: Sequence[str], frames: int) -> None:
        super().__init__()
        self.motions, self.frames = tuple(motions), frames
        self.stem = make_convolution(3 * frames, 48)
        self.blocks = nn.Sequential(Block(48, 64), Block(64, 96), Block(96, FEATURES))
        self.head = nn.Linear(FEATURES, len(self.motions))

    def embed(self, videos: Tensor) -> Tensor:
        """Return embeddings (n, 128) of videos (n, frames, 3, 48, 48) in [0, 1]."""
        if videos.shape[1] != self.frames:
            places = torch.linspace(0, videos.shape[1] - 1, self.frames).round().long()
            videos = videos[:, places]
        small = nn.functional.avg_pool2d(videos.flatten(1, 2), 2)
        # What never changes says nothing of the motion, and there is much of it.
        apart = small.reshape(len(small), self.frames, 3, *small.shape[-2:])
        small = (apart - apart.mean(1, keepdim=True)).flatten(1, 2)
        out: Tensor = self.blocks(torch.relu(self.stem(small * 4)))
        return out.mean((2, 3)) + out.amax((2, 3)) / 4

    def forward(self, videos: Tensor) -> Tensor:
        """Return logits (n, motions) of videos (n, frames, 3, 48, 48) in [0, 1]."""
        found: Tensor = self.head(self.embed(videos))
        return found


class VideoJudge(nn.Module):
    """The judge of frames and the judge of motion together."""

    def __init__(self, frame: Judge, motion: MotionJudge) -> None:
        super().__init__()
        self.frame, self.motion = frame, motion

    @classmethod
    def load(cls, folder: Path = FOLDER) -> VideoJudge:
        """Load the trained judge, ready to score."""
        if not (folder / "config.json").is_file():
            raise ZooError(
                given=f"no judge of videos in {folder}",
                expected="config.json and model.safetensors",
                mend="install the package again, or train it: python -m training.video_judge",
            )
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        judge = cls(Judge(config["classes"], config["backgrounds"]), MotionJudge(config["motions"], config["frames"]))
        weights = load_file(folder / "model.safetensors")
        judge.load_state_dict({name: value.float() for name, value in weights.items()})
        return judge.requires_grad_(False).eval()

    def log_probabilities(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probabilities (n, each) of classes, backgrounds and motions of videos (n, frames, 3, 48, 48).

        Frames vote for object and background by the mean of their log-probabilities.
        """
        votes = (logits.double().log_softmax(1) for logits in self.frame(pixels.flatten(0, 1)))
        kinds, grounds = (vote.reshape(*pixels.shape[:2], -1).mean(1).log_softmax(1) for vote in votes)
        return kinds, grounds, self.motion(pixels).double().log_softmax(1)

    @torch.no_grad()
    def features(self, videos: Videos) -> NDArray[np.float32]:
        """Videos (n, frames, height, width, 3) in [0, 1] -> features (n, 256): of frames, on average, and of motion."""
        pixels = self._pixels(videos)
        frames = self.frame.embed(pixels.flatten(0, 1)).reshape(*pixels.shape[:2], -1).mean(1)
        found: NDArray[np.float32] = torch.cat([frames, self.motion.embed(pixels)], 1).float().cpu().numpy()
        return found

    @torch.no_grad()
    def score(self, videos: Videos, prompts: Sequence[str]) -> VideoScore:
        """Compare videos (n, frames, height, width, 3) in [0, 1] with the prompts they were made for."""
        hits = self._hits(videos, prompts)
        kinds, grounds, moved = (hits.double().mean(1)).tolist()
        return VideoScore(kinds, grounds, moved, hits.all(0).double().mean().item(), len(prompts))

    @torch.no_grad()
    def agreement(self, videos: Videos, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Log-probability (n,) of class, background and motion asked for, taken as independent; at most 0."""
        parts = [found.gather(1, asked[:, None])[:, 0] for found, asked in self._asked(videos, prompts)]
        found: NDArray[np.float64] = torch.stack(parts).sum(0).numpy()
        return found

    @torch.no_grad()
    def accuracy(self, videos: Videos, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return 1 for each video whose class, background and motion are those asked for, else 0; (n,)."""
        found: NDArray[np.float64] = self._hits(videos, prompts).all(0).double().numpy()
        return found

    def _hits(self, videos: Videos, prompts: Sequence[str]) -> Tensor:
        """(3, n): whether class, background and motion are those asked for."""
        return torch.stack([found.argmax(1) == asked for found, asked in self._asked(videos, prompts)])

    def _asked(self, videos: Videos, texts: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
        """Of class, background and motion: log-probabilities (n, choices), and the index (n,) that is asked for."""
        pixels = self._pixels(videos)
        if len(texts) != len(pixels) or not texts:
            raise ZooError(
                given=f"{len(pixels)} videos and {len(texts)} prompts",
                expected="one prompt for each video, at least one",
                mend="repeat a prompt for every video made from it",
            )
        pairs = [prompts.parse(text) for text in texts]
        asked = (
            [self.frame.classes.index(kind) for kind, _ in pairs],
            [self.frame.backgrounds.index(ground) for _, ground in pairs],
            [self.motion.motions.index(motions.parse(text)) for text in texts],
        )
        parts = [self.log_probabilities(part) for part in torch.split(pixels, 16)]
        found = [torch.cat(column).cpu() for column in zip(*parts, strict=True)]
        return [(logits, torch.tensor(numbers)) for logits, numbers in zip(found, asked, strict=True)]

    def _pixels(self, videos: Videos) -> Tensor:
        if not isinstance(videos, Tensor):
            videos = np.ascontiguousarray(videos)  # a video played backwards has strides that torch does not know
        pixels = torch.as_tensor(videos).detach().to(self.motion.head.weight)
        if pixels.ndim != 5 or pixels.shape[-1] != 3 or pixels.shape[1] < 2:
            raise ZooError(
                given=f"videos of shape {tuple(pixels.shape)}",
                expected="shape (n, frames, height, width, 3) with two frames or more, values in [0, 1]",
                mend="ask the pipeline for output_type='np', or stack the frames channels last",
            )
        frames = pixels.permute(0, 1, 4, 2, 3).flatten(0, 1)
        if frames.shape[-2:] != (SIZE, SIZE):
            frames = nn.functional.interpolate(frames, (SIZE, SIZE), mode="area")
        return frames.clamp(0, 1).reshape(*pixels.shape[:2], 3, SIZE, SIZE)


def agreement(videos: Videos, prompts: Sequence[str]) -> NDArray[np.float64]:
    """Return `VideoJudge.agreement` of the trained judge: a reward that rises smoothly."""
    return _trained().agreement(videos, prompts)


def accuracy(videos: Videos, prompts: Sequence[str]) -> NDArray[np.float64]:
    """Return `VideoJudge.accuracy` of the trained judge: the figure that is reported, as a reward."""
    return _trained().accuracy(videos, prompts)


@functools.cache
def _trained() -> VideoJudge:
    return VideoJudge.load()

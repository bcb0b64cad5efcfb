"""Train the judge of videos on degraded renderings, and measure it on clean ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from evocache.zoo.judge import Judge
from evocache.zoo.motions import FRAMES, caption
from evocache.zoo.prompts import BACKGROUNDS, CLASSES
from evocache.zoo.video_judge import FOLDER, MotionJudge, VideoJudge, VideoScore
from training import data
from training.distributed import launch
from training.judge import degrade, warp
from training.loop import fit, options, restore
from training.moving import KINDS, render
from training.paths import CACHE
from training.precision import autocast

CHECKPOINT = CACHE / "video-judge.pt"
#: Frames of each video that the judge of frames is trained on: neighbours are alike.
SEEN_FRAMES = 2
#: A generated thing may go half the way and yet move as asked.
SLOWEST = 0.5


def build() -> VideoJudge:
    """The judge of frames begins as the judge of pictures."""
    return VideoJudge(Judge.load().requires_grad_(True), MotionJudge(KINDS, FRAMES))


def real(n: int, rng: np.random.Generator, slowest: float = 0.9) -> tuple[data.Floats, data.Ints]:
    """Videos (n, frames, 48, 48, 3) of the data, and class, background and motion numbers (n, 3)."""
    canvas, colours = data.glyphs(), data.palette()
    rows = np.stack([rng.integers(choices, size=n) for choices in (len(CLASSES), len(BACKGROUNDS), len(KINDS))], 1)
    videos = [render(canvas[kind], colours[ground], KINDS[motion], rng, slowest) for kind, ground, motion in rows]
    return np.stack(videos), rows


def loss_of(judge: VideoJudge, videos: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropy of (n, frames, 3, 48, 48) in [0, 1] with class, background and motion (n, 3)."""
    n, frames = videos.shape[:2]
    pixels = degrade(videos.flatten(0, 1)).unflatten(0, (n, frames))
    chosen = torch.rand(n, frames).argsort(1)[:, :SEEN_FRAMES]
    stills = pixels[torch.arange(n)[:, None], chosen].flatten(0, 1)
    kinds, grounds = judge.frame(warp(stills))
    of_frames = asked[:, None].expand(n, SEEN_FRAMES, 3).flatten(0, 1)
    loss = functional.cross_entropy(kinds.float(), of_frames[:, 0], label_smoothing=0.05)
    loss = loss + 0.5 * functional.cross_entropy(grounds.float(), of_frames[:, 1])
    return loss + functional.cross_entropy(judge.motion(pixels).float(), asked[:, 2], label_smoothing=0.05)


def train(rank: int, world: int, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    judge = build().train()

    def draw(rng: np.random.Generator) -> tuple[Tensor, ...]:
        videos, rows = real(args.batch, rng, SLOWEST)
        return torch.from_numpy(videos).permute(0, 1, 4, 2, 3).contiguous(), torch.from_numpy(rows)

    def loss(pixels: Tensor, asked: Tensor) -> Tensor:
        with autocast():
            return loss_of(judge, pixels, asked)

    fit(rank, world, args, (judge,), draw, loss)


def load(path: Path = CHECKPOINT) -> VideoJudge:
    """The last weights of the checkpoint: running statistics are not of averaged weights."""
    judge = build()
    restore((judge,), path, averaged=False)
    return judge


def export(judge: VideoJudge, folder: Path = FOLDER) -> None:
    """Write the judge's weights and vocabulary into the package."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "classes": judge.frame.classes,
        "backgrounds": judge.frame.backgrounds,
        "motions": judge.motion.motions,
        "frames": judge.motion.frames,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    state = {
        name: (value.half() if value.is_floating_point() and "running" not in name else value).contiguous()
        for name, value in judge.state_dict().items()
    }
    save_file(state, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)


def measure(judge: VideoJudge, n: int) -> VideoScore:
    """Its accuracy on videos as the generator sees them."""
    videos, rows = real(n, np.random.default_rng(99))
    backgrounds = tuple(BACKGROUNDS)
    prompts = [caption(CLASSES[kind], backgrounds[ground], KINDS[motion]) for kind, ground, motion in rows]
    return judge.score(videos, prompts)


def main(arguments: list[str] | None = None) -> None:
    parser = options(__doc__, minutes=8, batch=32, checkpoint=CHECKPOINT.name)
    parser.set_defaults(rate=2e-3, muon=False)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args(arguments)
    data.glyphs()  # rendered once, before the processes would all do it
    launch(train, args.processes, args)
    judge = load(args.work / args.checkpoint)
    export(judge, args.folder)
    print(measure(judge, 600))


if __name__ == "__main__":
    main()

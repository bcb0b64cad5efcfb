"""Measure zoo:emoji-motion by the judge of videos; writes its figures beside the weights' loader.

`--sweep` prints accuracy over guidance instead, for the choice of the default in `evocache.zoo.models`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from torch import nn

from evocache import zoo
from evocache.zoo import motions
from evocache.zoo.prompts import BACKGROUNDS, CLASSES, parse
from evocache.zoo.video_judge import VideoJudge
from training import data, motion, unet
from training.distributed import launch
from training.evaluate import frechet, reconstruct, scales
from training.evaluate_unet import facts, write
from training.moving import render
from training.paths import CACHE
from training.video_judge import CHECKPOINT as JUDGE_CHECKPOINT

NAME = "zoo:emoji-motion"
#: The shares of videos that the judge must recognise before the weights are of use.
OBJECT_GATE, MOTION_GATE = 0.75, 0.80


def generate(pipeline: DiffusionPipeline, prompts: Sequence[str], seed: int, batch: int = 8, **changes: Any) -> Any:
    """Videos of the prompts, (n, frames, 48, 48, 3) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    defaults = {**zoo.find(NAME).call_defaults, **changes}
    parts = [
        pipeline(list(prompts[start : start + batch]), generator=generator, output_type="np", **defaults).frames
        for start in range(0, len(prompts), batch)
    ]
    return np.concatenate(parts)


def renderings(prompts: Sequence[str], seed: int) -> data.Floats:
    """Real videos of these prompts: (n, frames, 48, 48, 3)."""
    rng, canvas, colours = np.random.default_rng(seed), data.glyphs(), data.palette()
    found = []
    for text in prompts:
        name, ground = parse(text)
        colour = colours[list(BACKGROUNDS).index(ground)]
        found.append(render(canvas[CLASSES.index(name)], colour, motions.parse(text), rng))
    return np.stack(found)


def without_motion(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """The same pipeline with silent motion modules: the frames are pictures that know nothing of each other."""
    for name, module in pipeline.unet.named_modules():
        if "motion_modules" in name and name.endswith(".proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return pipeline


def asked(args: argparse.Namespace) -> dict[str, list[str]]:
    """What to draw, by the name of its figures."""
    entry = zoo.find(NAME)
    still = [motions.caption(*parse(text), motions.STILL) for text in entry.sample_prompts(args.count // 8, seed=23)]
    return {
        "trained_combinations": entry.sample_prompts(args.count, seed=21),
        "held_out_combinations": entry.sample_prompts(args.count // 2, seed=22, held_out=True),
        "still": still,
        "without_motion_modules": entry.sample_prompts(args.count // 4, seed=21),
    }


def draw(rank: int, world: int, args: argparse.Namespace) -> None:
    """Draw one process's share of the videos."""
    pipeline = zoo.load(NAME)
    for number, (name, prompts) in enumerate(asked(args).items()):
        if name == "without_motion_modules":
            pipeline = without_motion(pipeline)
        np.save(args.work / f"{name}_{rank}.npy", generate(pipeline, prompts[rank::world], seed=10 * rank + number))


def scores(judge: VideoJudge, found: data.Floats, prompts: Sequence[str]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(judge.score(found, prompts)).items()}


def by_motion(judge: VideoJudge, found: data.Floats, prompts: Sequence[str]) -> dict[str, float]:
    """Motion accuracy of the videos of each motion."""
    kinds = np.array([motions.parse(text) for text in prompts])

    def of(kind: str) -> float:
        mine: NDArray[np.intp] = np.flatnonzero(kinds == kind)
        return round(judge.score(found[mine], [prompts[row] for row in mine]).motion, 3)

    return {kind: of(kind) for kind in motions.MOTIONS if kind in kinds}


def missed(judge: VideoJudge, found: data.Floats, prompts: Sequence[str]) -> dict[str, int]:
    """Classes whose videos were taken for others, most missed first."""
    wrong = Counter(
        parse(text)[0]
        for text, video in zip(prompts, found, strict=True)
        if judge.score(video[None], [text]).object == 0
    )
    return dict(wrong.most_common(12))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The judge on real and on reconstructed videos, and what all processes drew."""
    judge, texts = VideoJudge.load(), asked(args)
    drawn, prompts = {}, {}
    for name, wanted in texts.items():
        drawn[name] = np.concatenate([np.load(args.work / f"{name}_{rank}.npy") for rank in range(args.processes)])
        prompts[name] = [text for rank in range(args.processes) for text in wanted[rank :: args.processes]]
    both = ("trained_combinations", "held_out_combinations")
    all_drawn = np.concatenate([drawn[name] for name in both])
    all_prompts = [text for name in both for text in prompts[name]]
    real, again = renderings(all_prompts, seed=31), renderings(all_prompts, seed=32)
    rebuilt = reconstruct(zoo.load(NAME), real.reshape(-1, *real.shape[2:])).reshape(real.shape)
    defaults, features = zoo.find(NAME).call_defaults, judge.features(real)
    return {
        "judge": {"real": scores(judge, real, all_prompts), "reconstructions": scores(judge, rebuilt, all_prompts)},
        "generated": {
            "steps": defaults["num_inference_steps"],
            "guidance_scale": defaults["guidance_scale"],
            "frames": defaults["num_frames"],
            **{name: scores(judge, drawn[name], prompts[name]) for name in texts},
            "all": scores(judge, all_drawn, all_prompts),
            "by_motion": by_motion(judge, all_drawn, all_prompts),
            "frechet": round(frechet(judge.features(all_drawn), features), 3),
            # What other speeds, flips and shifts alone amount to.
            "frechet_floor": round(frechet(judge.features(again), features), 3),
            "most_missed": missed(judge, all_drawn, all_prompts),
        },
    }


def sweep(rank: int, world: int, args: argparse.Namespace) -> None:
    """Accuracy over guidance, on other prompts and noise than the figures are measured on."""
    judge, pipeline = VideoJudge.load(), zoo.load(NAME)
    prompts = zoo.find(NAME).sample_prompts(args.count // 4, seed=27)
    for guidance in args.sweep[rank::world]:
        found = generate(pipeline, prompts, seed=27, guidance_scale=guidance)
        print(guidance, scores(judge, found, prompts), flush=True)


def main(arguments: list[str] | None = None) -> bool:
    """Measure, write and print; whether every gate is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=128, help="videos of trained combinations, half as many of others")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=CACHE)
    parser.add_argument("--checkpoint", type=Path, default=motion.CHECKPOINT)
    parser.add_argument("--unet", type=Path, default=unet.CHECKPOINT)
    parser.add_argument("--judge", type=Path, default=JUDGE_CHECKPOINT)
    parser.add_argument(
        "--sweep", type=scales, nargs="?", const=scales("1.0,1.5,2.0,2.5,3.0,4.0"), help="scales to try"
    )
    args = parser.parse_args(arguments)
    if args.sweep:
        launch(sweep, args.processes, args)
        return True
    launch(draw, args.processes, args)
    torch.set_num_threads(args.processes)
    figures = measure(args)
    figures["training"] = {
        "motion": facts(args.checkpoint),
        "unet": facts(args.unet),
        "judge": facts(args.judge),
    }
    write(zoo.find(NAME).figures_file, figures)
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    found = figures["generated"]["all"]
    for name, gate in (("object", OBJECT_GATE), ("motion", MOTION_GATE)):
        verdict = "met" if found[name] >= gate else "missed"
        print(f"{name} accuracy {found[name]:.1%}, gate {gate:.0%}: {verdict}", flush=True)
    return bool(found["object"] >= OBJECT_GATE and found["motion"] >= MOTION_GATE)


if __name__ == "__main__":
    main()

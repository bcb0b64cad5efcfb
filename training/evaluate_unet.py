"""Measure zoo:emoji-unet by the judge of pictures; writes its figures beside the weights' loader.

`--sweep` prints accuracy over guidance instead, for the choice of the default in `evocache.zoo.models`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evocache import zoo
from evocache.zoo.judge import Judge
from evocache.zoo.prompts import sample_prompts
from training import nearest, unet
from training.distributed import launch
from training.evaluate import asked, frechet, generate, missed, renderings, scales, scores
from training.paths import CACHE

NAME = "zoo:emoji-unet"
#: The share of pictures that the judge must recognise before the weights are of use.
GATE = 0.75


def draw(rank: int, world: int, args: argparse.Namespace) -> None:
    """Draw one process's share of the pictures."""
    pipeline = zoo.load(NAME)
    for held_out in (False, True):
        images = generate(pipeline, asked(held_out, args.every)[rank::world], seed=2 * rank + held_out, model=NAME)
        np.save(args.work / f"unet_{held_out}_{rank}.npy", images)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Scores of what all processes drew."""
    judge, world = Judge.load(), args.processes
    images, prompts, found = [], [], {}
    for held_out, name in ((False, "trained_combinations"), (True, "held_out_combinations")):
        mine = np.concatenate([np.load(args.work / f"unet_{held_out}_{rank}.npy") for rank in range(world)])
        texts = [text for rank in range(world) for text in asked(held_out, args.every)[rank::world]]
        found[name] = scores(judge, mine, texts)
        images.append(mine)
        prompts += texts
    both = np.concatenate(images)
    features = judge.features(renderings(prompts, seed=4))
    defaults = zoo.find(NAME).call_defaults
    return {
        "steps": defaults["num_inference_steps"],
        "guidance_scale": defaults["guidance_scale"],
        **found,
        "all": scores(judge, both, prompts),
        "frechet": round(frechet(judge.features(both), features), 3),
        "frechet_floor": round(frechet(judge.features(renderings(prompts, seed=9)), features), 3),
        "nearest_rendering": nearest.score(both, prompts),
        "most_missed": missed(judge, both, prompts),
    }


def sweep(rank: int, world: int, args: argparse.Namespace) -> None:
    """Accuracy over guidance, on other noise than the figures are measured on; a share of the scales each."""
    judge, pipeline, prompts = Judge.load(), zoo.load(NAME), sample_prompts(169, seed=7)
    for guidance in args.sweep[rank::world]:
        images = generate(pipeline, prompts, seed=7, model=NAME, guidance_scale=guidance)
        print(guidance, scores(judge, images, prompts), nearest.score(images, prompts), flush=True)


def facts(path: Path) -> dict[str, Any]:
    """Samples, minutes, steps and machine of a training, from its checkpoint."""
    stored = torch.load(path, map_location="cpu")
    minutes = round(stored["seconds"] / 60, 1)
    return {"samples": stored["samples"], "minutes": minutes, "steps": stored["step"], "hardware": stored["hardware"]}


def write(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> bool:
    """Measure, write and print; whether every gate is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=2, help="draw one trained combination in so many")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=CACHE)
    parser.add_argument("--checkpoint", type=Path, default=unet.CHECKPOINT)
    parser.add_argument(
        "--sweep", type=scales, nargs="?", const=scales("1.5,2.0,2.5,3.0,4.0,5.0"), help="scales to try"
    )
    args = parser.parse_args(arguments)
    if args.sweep:
        launch(sweep, args.processes, args)
        return True
    launch(draw, args.processes, args)
    torch.set_num_threads(args.processes)
    generated = measure(args)
    write(zoo.find(NAME).figures_file, {"generated": generated, "training": {"unet": facts(args.checkpoint)}})
    print(json.dumps(generated, indent=1, ensure_ascii=False))
    top1 = generated["all"]["top1"]
    print(f"object accuracy {top1:.1%}, gate {GATE:.0%}: {'met' if top1 >= GATE else 'missed'}", flush=True)
    return bool(top1 >= GATE)


if __name__ == "__main__":
    main()

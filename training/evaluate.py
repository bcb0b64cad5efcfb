"""Measure judge, VAE and generator; writes `figures.json` beside the weights' loader."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from evocache import zoo
from evocache.zoo.judge import Judge
from evocache.zoo.prompts import BACKGROUNDS, CLASSES, caption, is_held_out, parse
from training import data, latents, nearest
from training import judge as judge_training
from training.distributed import launch
from training.paths import CACHE, ZOO
from training.precision import hardware

FIGURES = ZOO / "figures.json"


def scales(text: str) -> list[float]:
    """Guidance scales of a command: 1.5,2,3."""
    return [float(part) for part in text.split(",")]


def all_prompts(held_out: bool) -> list[str]:
    return [
        caption(name, ground) for name in CLASSES for ground in BACKGROUNDS if is_held_out(name, ground) is held_out
    ]


def asked(held_out: bool, every: int) -> list[str]:
    """The prompts to draw: all held-out combinations, one trained one in `every`."""
    return all_prompts(held_out)[:: 1 if held_out else every]


def renderings(prompts: Sequence[str], seed: int) -> data.Floats:
    """The real pictures of these prompts, randomly flipped and shifted: (n, 48, 48, 3)."""
    rng = np.random.default_rng(seed)
    pairs = [parse(prompt) for prompt in prompts]
    kinds = [CLASSES.index(name) for name, _ in pairs]
    colours = data.palette()[[list(BACKGROUNDS).index(ground) for _, ground in pairs]]
    shifts = rng.integers(-data.SHIFT, data.SHIFT + 1, size=(len(pairs), 2))
    return data.compose(data.glyphs()[kinds], colours, rng.random(len(pairs)) < 0.5, shifts)


@torch.no_grad()
def reconstruct(pipeline: DiffusionPipeline, images: data.Floats) -> data.Floats:
    """Through the VAE and back, (n, 48, 48, 3) in [0, 1]."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1
    parts = [pipeline.vae.decode(pipeline.vae.encode(part).latent_dist.mean).sample for part in pixels.split(64)]
    return ((torch.cat(parts) + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def generate(
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    seed: int,
    batch: int = 16,
    model: str = "zoo:emoji",
    **changes: Any,
) -> data.Floats:
    """Pictures of the prompts, (n, 48, 48, 3) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    defaults = {**zoo.find(model).call_defaults, **changes}
    parts = [
        pipeline(list(prompts[start : start + batch]), generator=generator, output_type="np", **defaults).images
        for start in range(0, len(prompts), batch)
    ]
    return np.concatenate(parts)


def frechet(first: data.Floats, second: data.Floats) -> float:
    """Frechet distance of two sets of features (n, d), as Gaussians (Heusel et al. 2017, eq. 6)."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # tr sqrt(S1 S2) from the eigenvalues of the product, which are real and not negative.
    roots = np.sqrt(np.linalg.eigvals(one @ two).real.clip(min=0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one) + np.trace(two) - 2 * roots)


def scores(judge: Judge, images: data.Floats, prompts: Sequence[str]) -> dict[str, float | int]:
    found = judge.score(images, prompts)
    return {
        "n": found.count,
        "top1": round(found.top1, 4),
        "top5": round(found.top5, 4),
        "background": round(found.background, 4),
    }


def missed(judge: Judge, images: data.Floats, prompts: Sequence[str]) -> dict[str, int]:
    """Classes whose pictures were taken for others, most missed first."""
    wrong = Counter(
        parse(prompt)[0]
        for prompt, image in zip(prompts, images, strict=True)
        if judge.score(image[None], [prompt]).top1 == 0
    )
    return dict(wrong.most_common(12))


def draw(rank: int, world: int, args: argparse.Namespace) -> None:
    """Draw one process's share of the pictures, kept in the cache for `drawn`."""
    pipeline = zoo.load()
    for held_out in (False, True):
        prompts = asked(held_out, args.every)[rank::world]
        images = generate(pipeline, prompts, seed=2 * rank + held_out)
        np.save(CACHE / f"drawn_{held_out}_{rank}.npy", images)


def drawn(held_out: bool, every: int, world: int) -> tuple[data.Floats, list[str]]:
    """What all processes drew, and its prompts."""
    shares = [np.load(CACHE / f"drawn_{held_out}_{rank}.npy") for rank in range(world)]
    prompts = asked(held_out, every)
    return np.concatenate(shares), [prompt for rank in range(world) for prompt in prompts[rank::world]]


def measure_parts(judge: Judge) -> dict[str, Any]:
    """The judge on real pictures, and the VAE."""
    prompts = all_prompts(False) + all_prompts(True)
    real = renderings(prompts, seed=3)
    rebuilt = reconstruct(zoo.load(), real)
    return {
        "classes": len(CLASSES),
        "backgrounds": len(BACKGROUNDS),
        "judge": {
            "real": scores(judge, real, prompts),
            "warped_top1": round(judge_training.measure(judge, data.glyphs(), 4000)["warped"], 4),
        },
        "vae": {
            "psnr_db": round(-10 * math.log10(float(np.square(rebuilt - real).mean())), 2),
            "reconstructions": scores(judge, rebuilt, prompts),
            "nearest_rendering": nearest.score(rebuilt, prompts),
            "frechet": round(frechet(judge.features(real), judge.features(rebuilt)), 3),
        },
    }


def measure_generated(judge: Judge, every: int, world: int) -> dict[str, Any]:
    """The pictures of the whole pipeline."""
    images, prompts = drawn(False, every, world)
    new_images, new_prompts = drawn(True, every, world)
    both, both_prompts = np.concatenate([images, new_images]), prompts + new_prompts
    references = renderings(both_prompts, seed=4)
    elsewhere = renderings(both_prompts, seed=9)
    features = judge.features(references)
    return {
        "steps": zoo.find().call_defaults["num_inference_steps"],
        "guidance_scale": zoo.find().call_defaults["guidance_scale"],
        "trained_combinations": scores(judge, images, prompts),
        "held_out_combinations": scores(judge, new_images, new_prompts),
        "all": scores(judge, both, both_prompts),
        "frechet": round(frechet(judge.features(both), features), 3),
        # What other flips and shifts alone amount to.
        "frechet_floor": round(frechet(judge.features(elsewhere), features), 3),
        "nearest_rendering": nearest.score(both, both_prompts),
        "most_missed": missed(judge, both, both_prompts),
    }


def training_facts() -> dict[str, Any]:
    """Samples and minutes of each part, from the checkpoints."""
    facts: dict[str, Any] = {"hardware": hardware()}
    autoencoder, transformer = torch.load(CACHE / "vae.pt"), torch.load(CACHE / "dit.pt")
    facts["vae"] = {
        "samples": autoencoder["step"] * autoencoder["batch"],
        "minutes": round(autoencoder["seconds"] / 60, 1),
    }
    critic = torch.load(CACHE / "judge.pt")
    facts["judge"] = {"samples": critic["samples"], "minutes": round(critic["seconds"] / 60, 1)}
    facts["transformer"] = {
        "samples": transformer["samples"],
        "minutes": round(transformer["seconds"] / 60, 1),
        "steps": transformer["step"],
    }
    facts["latents"] = len(latents.load()["kinds"])
    return facts


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="draw one trained combination in so many")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="keep the stored figures of judge and VAE")
    args = parser.parse_args(arguments)
    launch(draw, args.processes, args)
    torch.set_num_threads(args.processes)
    judge = Judge.load()
    parts = json.loads(FIGURES.read_text(encoding="utf-8")) if args.keep else measure_parts(judge)
    figures = {
        **parts,
        "generated": measure_generated(judge, args.every, args.processes),
        "training": training_facts(),
    }
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(figures["generated"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()

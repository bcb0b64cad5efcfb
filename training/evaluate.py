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
from training.paths import CACHE, ZOO

FIGURES = ZOO / "figures.json"
HARDWARE = "2 CPU cores with AVX-512 bf16, shared with other work"


def all_prompts(held_out: bool) -> list[str]:
    return [
        caption(name, ground) for name in CLASSES for ground in BACKGROUNDS if is_held_out(name, ground) is held_out
    ]


def renderings(prompts: Sequence[str], seed: int) -> data.Floats:
    """The real pictures of these prompts, randomly flipped and shifted: (n, 48, 48, 3)."""
    rng = np.random.default_rng(seed)
    asked = [parse(prompt) for prompt in prompts]
    kinds = [CLASSES.index(name) for name, _ in asked]
    colours = data.palette()[[list(BACKGROUNDS).index(ground) for _, ground in asked]]
    shifts = rng.integers(-data.SHIFT, data.SHIFT + 1, size=(len(asked), 2))
    return data.compose(data.glyphs()[kinds], colours, rng.random(len(asked)) < 0.5, shifts)


@torch.no_grad()
def reconstruct(pipeline: DiffusionPipeline, images: data.Floats) -> data.Floats:
    """Through the VAE and back, (n, 48, 48, 3) in [0, 1]."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1
    parts = [pipeline.vae.decode(pipeline.vae.encode(part).latent_dist.mean).sample for part in pixels.split(64)]
    return ((torch.cat(parts) + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def generate(
    pipeline: DiffusionPipeline, prompts: Sequence[str], seed: int, batch: int = 64, **changes: Any
) -> data.Floats:
    """Pictures of the prompts, (n, 48, 48, 3) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    defaults = {**zoo.find().call_defaults, **changes}
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


def measure(every: int = 1) -> dict[str, Any]:
    """All figures; with `every` > 1 on that fraction of the trained combinations (a quick look)."""
    judge, pipeline = Judge.load(), zoo.load()
    trained, held_out = all_prompts(False), all_prompts(True)
    real = renderings(trained + held_out, seed=3)
    rebuilt = reconstruct(pipeline, real)
    figures: dict[str, Any] = {
        "classes": len(CLASSES),
        "backgrounds": len(BACKGROUNDS),
        "judge": {
            "real": scores(judge, real, trained + held_out),
            "warped_top1": round(judge_training.measure(judge, data.glyphs(), 4000)["warped"], 4),
        },
        "vae": {
            "psnr_db": round(-10 * math.log10(float(np.square(rebuilt - real).mean())), 2),
            "reconstructions": scores(judge, rebuilt, trained + held_out),
            "nearest_rendering": nearest.score(rebuilt, trained + held_out),
            "frechet": round(frechet(judge.features(real), judge.features(rebuilt)), 3),
        },
    }
    asked = trained[::every]
    drawn = generate(pipeline, asked, seed=7)
    drawn_held_out = generate(pipeline, held_out, seed=8)
    references = renderings(asked, seed=4)
    figures["generated"] = {
        "steps": zoo.find().call_defaults["num_inference_steps"],
        "guidance_scale": zoo.find().call_defaults["guidance_scale"],
        "trained_combinations": scores(judge, drawn, asked),
        "held_out_combinations": scores(judge, drawn_held_out, held_out),
        "all": scores(judge, np.concatenate([drawn, drawn_held_out]), asked + held_out),
        "frechet": round(frechet(judge.features(drawn), judge.features(references)), 3),
        "nearest_rendering": nearest.score(np.concatenate([drawn, drawn_held_out]), asked + held_out),
        "most_missed": missed(judge, drawn, asked),
    }
    return figures


def training_facts() -> dict[str, Any]:
    """Samples and minutes of each part, from the checkpoints."""
    facts: dict[str, Any] = {"hardware": HARDWARE}
    autoencoder, transformer = torch.load(CACHE / "vae.pt"), torch.load(CACHE / "dit.pt")
    facts["vae"] = {
        "samples": autoencoder["step"] * autoencoder["batch"],
        "minutes": round(autoencoder["seconds"] / 60, 1),
    }
    facts["transformer"] = {
        "samples": transformer["samples"],
        "minutes": round(transformer["seconds"] / 60, 1),
        "steps": transformer["step"],
    }
    facts["latents"] = len(latents.load()["kinds"])
    return facts


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="evaluate on one prompt in so many")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    figures = {**measure(args.every), "training": training_facts()}
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()

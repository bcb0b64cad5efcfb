"""What schedules cost in quality on zoo:emoji, next to fewer steps at the same cost.

    python -m benchmarks.quality [--prompts 144] [--batch 16] [--rounds 5]

Quality is measured on prompts that were never trained on (held-out combinations), against the uncached pictures of the
same seeds: PSNR of pixels and of latents, the judge's agreement with the prompt, and the Frechet distance between the
judge's features of these pictures and the uncached ones of *other* seeds (so that the uncached row shows the floor).
Speed-up is by the clock, decoding included: interleaved rounds of one batch, median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from benchmarks.environment import write
from evocache import apply, discover, zoo
from evocache.metrics import frechet_distance, latent_error, psnr, ssim, time_interleaved
from evocache.schedule import Schedule, uniform
from evocache.schedule.action import forecast
from evocache.zoo.judge import Judge
from evocache.zoo.prompts import sample_prompts

STEPS = 20
MASKS = {"half": (0, 1, 2, 4, 6, 8, 10, 12, 14, 16), "third": (0, 1, 3, 6, 9, 12, 15)}


class Bench:
    """The pipeline, the prompts and how rows are made."""

    def __init__(self, prompts: int, batch: int) -> None:
        self.pipe = zoo.load("zoo:emoji")
        self.defaults = dict(zoo.find("zoo:emoji").call_defaults)
        self.prompts = sample_prompts(prompts, seed=0, held_out=True)
        self.batch = batch
        self.judge = Judge.load()

    def latents(self, prompts: list[str], first_seed: int, steps: int) -> torch.Tensor:
        """Latents of prompts, one seed each."""
        generators = [torch.Generator().manual_seed(first_seed + i) for i in range(len(prompts))]
        call = {**self.defaults, "num_inference_steps": steps, "output_type": "latent"}
        return self.pipe(prompts, generator=generators, **call).images

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Pictures (n, height, width, 3) in [0, 1]."""
        vae = self.pipe.vae
        with torch.no_grad():
            pixels = vae.decode(latents / vae.config.scaling_factor).sample
        return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()

    def all(self, first_seed: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Latents and pictures of all prompts."""
        parts = []
        for start in range(0, len(self.prompts), self.batch):
            parts.append(self.latents(self.prompts[start : start + self.batch], first_seed + start, steps))
        latents = torch.cat(parts)
        return latents.numpy(), self.decode(latents)


def contenders(bench: Bench) -> dict[str, tuple[int, str | Schedule]]:
    """Rows: steps, and what is applied."""
    tree = discover(bench.pipe).tree
    span = tree.of_kind("span")[0].id
    rows: dict[str, tuple[int, str | Schedule]] = {"uncached": (STEPS, "none")}
    for name, mask in MASKS.items():
        rows[f"fewer steps: {len(mask)}"] = (len(mask), "none")
        rows[f"steps:{','.join(map(str, mask))}"] = (STEPS, "steps:" + ",".join(map(str, mask)))
        gain = {"half": 1.0, "third": 0.4}[name]
        rows[f"the same, forecast with gain {gain}"] = (STEPS, uniform(tree, STEPS, [span], mask, forecast(1, gain)))
        interval = {"half": 2, "third": 3}[name]
        rows[f"fora:{interval}"] = (STEPS, f"fora:{interval}")
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=144)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bench = Bench(options.prompts, options.batch)
    rows = contenders(bench)
    floor = bench.judge.features(bench.all(10_000, STEPS)[1])
    latents, images = bench.all(0, STEPS)
    results: list[dict[str, Any]] = []
    for name, (steps, what) in rows.items():
        with apply(bench.pipe, what) as handle:
            own_latents, own_images = bench.all(0, steps)
            stats = handle.stats
        score = bench.judge.score(own_images, bench.prompts)
        same = name == "uncached"
        results.append(
            {
                "name": name,
                "steps": steps,
                "executed of 20 steps": round(stats.executed_fraction * steps / STEPS, 4),
                "peak cached bytes per image": stats.peak_cached_bytes // options.batch,
                "psnr": None if same else round(float(np.mean(psnr(own_images, images))), 2),
                "ssim": round(float(np.mean(ssim(own_images, images))), 4),
                "latent psnr": None if same else round(float(np.mean(latent_error(own_latents, latents).psnr)), 2),
                "prompt accuracy": round(score.top1, 4),
                "background accuracy": round(score.background, 4),
                "frechet": round(frechet_distance(bench.judge.features(own_images), floor), 3),
            }
        )
        print(results[-1])
    timings = clock(bench, rows, options.rounds)
    for row in results:
        timing = timings[row["name"]]
        row["speedup"] = round(timing.speedup_over(timings["uncached"]), 3)
        row["seconds per image"] = round(timing.median / options.batch, 4)
    setting = {"prompts": options.prompts, "held out": True, "batch": options.batch, "rounds": options.rounds}
    write("quality", {"what": __doc__.split("\n", 1)[0], "seed": 0, **setting, "rows": results})


def clock(bench: Bench, rows: dict[str, tuple[int, str | Schedule]], rounds: int) -> dict[str, Any]:
    """Timings of one batch under each row, decoding included."""

    def case(steps: int, what: str | Schedule) -> Any:
        def run() -> None:
            with apply(bench.pipe, what):
                bench.decode(bench.latents(bench.prompts[: bench.batch], 0, steps))

        return run

    return time_interleaved({name: case(*row) for name, row in rows.items()}, repeats=rounds)


if __name__ == "__main__":
    main()

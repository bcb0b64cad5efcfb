"""What it costs by the clock to make a generation fit, and what it then really holds; on this machine.

    python -m benchmarks.memory.clock [--rounds 5] [--cases middle,emoji-motion] [--spec deepcache:2]

Rows are the untouched pipeline, the pipeline under a schedule, and the same under memory budgets: shares of what the
untouched generation holds at most. Every round times all rows in changing order; *lost* is the time that the budget
adds to the cached generation, as a share of the untouched one of the same round. Beside the clock stands the time of
the processors, of which other programs take none, though they slow it down. What is held is counted tensor by tensor
in a generation of its own, which is not timed. Features that must leave go to the disk where there is no GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import diffusers as d
import torch

from benchmarks.environment import write
from benchmarks.timing import Taken, summarise, take
from evocache import apply, discover, zoo
from evocache.errors import BudgetError
from evocache.memory.planner.planner import MemoryPlan
from evocache.metrics.timing import run_rounds, shuffle_by
from evocache.runtime.estimate.measure import measure as measured
from tests.tiny import tokenizers

SHARES = (1.0, 0.8, 0.6)
"""Budgets, as shares of the untouched generation's peak."""


@dataclass(frozen=True)
class Case:
    """A pipeline and its call."""

    name: str
    pipe: Any
    call: dict[str, Any]


def middle() -> Case:
    """An AnimateDiff pipeline of random weights: a U-Net of 70 M parameters, 8 frames of 256x256, float32."""
    import transformers as t

    torch.manual_seed(0)
    widths = (64, 128, 256, 256)
    unet = d.UNet2DConditionModel(block_out_channels=widths, cross_attention_dim=256, sample_size=32).eval()
    adapter = d.MotionAdapter(block_out_channels=widths, motion_norm_num_groups=32).eval()
    vae = d.AutoencoderKL(
        block_out_channels=(32, 64, 128, 128),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    ).eval()
    tokenizer = tokenizers.clip_tokenizer()
    text = t.CLIPTextConfig(
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=4,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    scheduler = d.EulerDiscreteScheduler(timestep_spacing="trailing", beta_schedule="linear")
    pipe = d.AnimateDiffPipeline(vae, t.CLIPTextModel(text).eval(), tokenizer, unet, adapter, scheduler)
    call = {"prompt": "a red fox", "num_frames": 8, "height": 256, "width": 256, "num_inference_steps": 8}
    return Case("AnimateDiff form, random, 8 frames of 256x256", pipe, {**call, "guidance_scale": 1.0})


def emoji_motion() -> Case:
    """zoo:emoji-motion, four videos at a time."""
    found = zoo.find("zoo:emoji-motion")
    return Case("zoo:emoji-motion, batch 4", zoo.load(found.name), {**found.call_defaults, **_prompts(found, 4)})


def _prompts(found: Any, count: int) -> dict[str, Any]:
    return {"prompt": found.sample_prompts(count, seed=0)}


CASES: dict[str, Callable[[], Case]] = {"middle": middle, "emoji-motion": emoji_motion}


def generate(case: Case) -> Any:
    """One generation."""
    return case.pipe(**case.call, generator=torch.Generator().manual_seed(0), output_type="pt", return_dict=False)[0]


def least(case: Case, spec: str) -> int:
    """The least budget that can be met."""
    with apply(case.pipe, spec, memory=0):
        try:
            generate(case)
        except BudgetError as error:
            return error.shortfall
    return 0


def measure(case: Case, spec: str, rounds: int) -> dict[str, Any]:
    """All figures of a case."""
    case.pipe.set_progress_bar_config(disable=True)
    untouched = measured(case.pipe, discover(case.pipe), lambda: generate(case))
    most = max(held.bytes for held in untouched.values())
    rows: dict[str, dict[str, Any]] = {"untouched": {"held": most, "stages": _told(untouched)}}
    jobs: dict[str, Callable[[], Taken]] = {"untouched": lambda: take(lambda: generate(case))}
    plans: dict[str, MemoryPlan | None] = {}

    def under(name: str) -> Taken:
        with apply(case.pipe, spec, memory=plans[name]):
            return take(lambda: generate(case))

    budgets = {spec: None, **{f"{spec} within {share:.0%}": int(share * most) for share in SHARES}}
    for name, budget in {**budgets, f"{spec}, the least": least(case, spec)}.items():
        with apply(case.pipe, spec, memory=budget, measure=True) as handle:
            try:
                made = generate(case)
            except BudgetError as error:
                rows[name] = {"budget": budget, "short of": error.shortfall}
                continue
            stats = handle.stats
            rows[name] = {
                "budget": budget,
                "held": max(held.bytes for held in stats.stages.values()),
                "stages": _told(stats.stages),
                "moved": stats.moved_bytes,
                "slices": sum(map(len, handle.memory.cuts.values())) if handle.memory else 0,
                "predicted": handle.memory.peak if handle.memory else None,
                "seconds predicted": handle.memory.seconds if handle.memory else 0.0,
            }
        if budget is None:
            alike = made
        rows[name]["difference"] = float((made - alike).abs().max())
        plans[name] = handle.memory
        jobs[name] = lambda name=name: under(name)
    samples = list(islice(run_rounds(jobs, shuffle_by(0)), rounds))
    for name in jobs:
        for by, prefix in (("clock", ""), ("processors", "processor ")):
            taken = [{which: getattr(found, by) for which, found in row.items()} for row in samples]
            rows[name][f"{prefix}seconds"] = summarise([row[name] for row in taken])
            rows[name][f"{prefix}speedup"] = summarise([row["untouched"] / row[name] for row in taken])
            if rows[name].get("budget"):
                rows[name][f"{prefix}lost"] = summarise([(row[name] - row[spec]) / row["untouched"] for row in taken])
    return {"case": case.name, "schedule": spec, "rounds": rounds, "rows": rows}


def _told(stages: Any) -> dict[str, Any]:
    return {name: {**held._asdict(), "all": held.bytes} for name, held in stages.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--spec", default="deepcache:2")
    parser.add_argument("--name", default="memory-clock")
    given = parser.parse_args()
    results = []
    for name in given.cases.split(","):
        results.append(measure(CASES[name](), given.spec, given.rounds))
        for row, found in results[-1]["rows"].items():
            print(row, {key: value for key, value in found.items() if key != "stages"})
    write(given.name, {"what": (__doc__ or "").split("\n", 1)[0], "cases": results})


if __name__ == "__main__":
    main()

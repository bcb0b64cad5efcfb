"""Our schedules next to fewer steps and to the strongest other caches, each run by its own package.

    python -m benchmarks.peers [--run FOLDER | --front FILE] [--stage quality|timing|all] [--prompts 64] [--rounds 5]
    python -m benchmarks.peers --table [--long]

On zoo:emoji in float32, 20 steps, held-out prompts, same seeds. Quality: PSNR of pixels and error of latents against
the uncached pictures of the same seeds, the judge's agreement with the prompts, Frechet distance to uncached pictures
of *other* seeds. Work: multiply-adds of the blocks' layers that really ran, over the uncached ones. Memory: most
bytes cached per picture at the end of a denoiser call. Time: rounds in which every contender generates the same batch,
in shuffled order, over the uncached runs just before and after it; median of the rounds.

Results are checkpointed in the work folder, so that a run that was broken off goes on. Needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffusers.utils import logging as diffusers_logging

from benchmarks.environment import RESULTS, write
from benchmarks.peers import ours, table
from benchmarks.peers.analysis import analyse
from benchmarks.peers.checkpoint import Checkpoint, key_of
from benchmarks.peers.contender import STEPS, UNCACHED, Contender, Session
from benchmarks.peers.generate import Bench
from benchmarks.peers.watch import pristine
from evocache import zoo

DEFAULT_FRONT = zoo.find("zoo:emoji").front
"""The front that comes with the model."""

INAPPLICABLE = {
    "DeepCache": "U-Nets only",
    "diffusers SeaCache": "needs an adapter that yields video latents",
}
"""What could have taken part in name."""

NO_OP = "the latents are those of the uncached pipeline, bit for bit"


def entrants(bench: Bench, checkpoint: Checkpoint, front: Path | None, work: Path) -> list[Contender]:
    """All contenders, the uncached pipeline first."""
    from benchmarks.peers import cache_dit_caches, diffusers_caches

    def ratios() -> Sequence[float]:
        key = key_of(calibration="MagCache", batch=bench.batch)
        found = checkpoint.find(key)
        if found is None:
            prompts = bench.calibration_prompts
            with pristine(bench.pipe, bench.pipe.transformer, set()):
                measured = diffusers_caches.calibrate_magnitudes(
                    bench.pipe, lambda: bench.call(Session(), prompts, 50_000, STEPS, "latent")
                )
            found = {"ratios": measured}
            checkpoint.add(key, found)
        values: list[float] = found["ratios"]
        return values

    call = {**bench.defaults, "num_inference_steps": STEPS, "output_type": "latent"}
    calibration = ours.calibration_of(bench.pipe, bench.calibration_prompts, call, work)
    return [
        ours.uncached(),
        *ours.fewer_steps(),
        *ours.policies(bench.pipe),
        *ours.calibrated(bench.pipe, calibration),
        *(ours.front(front) if front else []),
        *diffusers_caches.contenders(ratios()),
        *cache_dit_caches.contenders(),
    ]


def chosen(contenders: Sequence[Contender], only: str) -> list[Contender]:
    """Those whose name or family matches, and the uncached pipeline."""
    pattern = re.compile(only, re.IGNORECASE)
    return [c for c in contenders if c.name == UNCACHED or pattern.search(c.name) or pattern.search(c.family)]


def strongest(contenders: Sequence[Contender], figures: Mapping[str, Mapping[str, Any]]) -> list[Contender]:
    """Those that no other of their family beats in work and in PSNR: the others need not be timed."""

    def beaten(one: Contender) -> bool:
        own = figures[one.name]
        rivals = [figures[c.name] for c in contenders if c.family == one.family and c is not one]
        return any(r["executed"] <= own["executed"] and r["psnr"] > own["psnr"] for r in rivals)

    return [contender for contender in contenders if not beaten(contender)]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--run", type=Path, help="folder of an evolution whose front takes part")
    source.add_argument("--front", type=Path, help="file of a front; that which comes with zoo:emoji when not given")
    parser.add_argument("--stage", choices=("quality", "timing", "all"), default="all")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("out/peers"), help="folder of the checkpoint")
    parser.add_argument("--strongest", action="store_true", help="time only what its own family does not beat")
    parser.add_argument("--only", default="", help="regular expression of names or families; writes to --work")
    parser.add_argument("--list", action="store_true", help="name the contenders and end")
    parser.add_argument("--table", action="store_true", help="print the committed results as Markdown and end")
    parser.add_argument("--long", action="store_true", help="every row in the table")
    return parser.parse_args()


def main() -> None:
    """Measure, write and print."""
    options = arguments()
    show = table.long if options.long else table.short
    front = options.run or options.front
    if front and not (front / "front.json" if front.is_dir() else front).is_file():
        raise SystemExit(f"no front in {front}: name the folder of a run that has ended, or its front.json")
    if options.table:
        print(show(json.loads((RESULTS / "peers.json").read_text())))
        return
    from benchmarks.peers import timing
    from benchmarks.peers.quality import Quality

    diffusers_logging.set_verbosity_error()  # FasterCache warns each time that it is an experiment
    bench = Bench(options.prompts, options.batch)
    checkpoint = Checkpoint(options.work / "peers.jsonl")
    contenders = chosen(entrants(bench, checkpoint, front or DEFAULT_FRONT, options.work), options.only)
    if options.list:
        print("\n".join(f"{contender.family}: {contender.name}" for contender in contenders))
        return
    quality = Quality(bench, checkpoint)
    figures = quality.known(contenders) if options.stage == "timing" else quality.run(contenders)
    if options.stage == "quality":
        return
    worth = [c for c in contenders if c.name in figures and _works(figures[c.name])]
    if options.strongest:
        worth = strongest(worth, figures)
    speedups = timing.summary(timing.run(bench, worth, options.rounds, checkpoint))
    speedups[UNCACHED] = {"speedup": 1.0}
    rows: list[dict[str, Any]] = []
    for contender in contenders:
        if contender.name in figures:
            head = {"name": contender.name, "family": contender.family, "settings": dict(contender.settings)}
            row = {**head, **figures[contender.name], **speedups.get(contender.name, {})}
            rows.append({**row, "reason": NO_OP} if row.get("no-op") else row)
    analysis = analyse(rows)
    for row in rows:
        row.pop("psnr of each", None)
    result = {
        "what": "Evolved schedules next to fewer steps and other caches, by their own packages.",
        "model": "zoo:emoji, float32",
        "steps": STEPS,
        "prompts": options.prompts,
        "held out": True,
        "batch": options.batch,
        "rounds": options.rounds,
        "timed": "what no other of its family beats in work and PSNR" if options.strongest else "all",
        "seed": 0,
        "versions of peers": {name: version(name) for name in ("diffusers", "cache-dit")},
        "frechet": "128 features; with fewer prompts than that comparable within this result only",
        "not applicable": INAPPLICABLE,
        "rows": rows,
        "analysis": analysis,
    }
    if options.only:
        (options.work / "peers.json").write_text(json.dumps(result, indent=1) + "\n")
    else:
        write("peers", result)
    print(show(result))


def _works(figures: dict[str, Any]) -> bool:
    return "error" not in figures and not figures["no-op"]


if __name__ == "__main__":
    main()

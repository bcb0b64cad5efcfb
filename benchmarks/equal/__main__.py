"""The same method with the same parameters, by evocache and by another package, on the models of the zoo.

    python -m benchmarks.equal [--rounds 60] [--models zoo:emoji,zoo:emoji-unet] [--batches 1]

Each is put on a pipeline of its own, and they generate by turns, so that whatever the machine does meets both; halfway
they change pipelines. Ratios are of two generations in a row. What each executes is counted at the layers, what it
caches after each denoiser call; ours counts also what it holds within a call. Small models are the hard case: a step's
own Python is what the clock sees. One thread computes. Needs the extra `peers` for packages beside diffusers.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from benchmarks.environment import RESULTS, write
from benchmarks.equal.pairs import STEPS, Pair, pairs
from benchmarks.markdown import markdown_table
from benchmarks.peers.contender import UNCACHED, Contender, Session
from benchmarks.peers.ours import nothing
from benchmarks.peers.watch import pristine
from benchmarks.sizes.measure import generate, settled, watched
from benchmarks.sizes.models import Sample
from benchmarks.timing import summarise
from evocache import zoo
from evocache.metrics import time_interleaved

Row = dict[str, Any]

WARM = 2
"""Generations of each before those that count."""


def model(name: str, batch: int) -> Sample:
    """A model of the zoo with prompts; latents are what is made."""
    found = zoo.find(name)
    call = {key: value for key, value in found.call_defaults.items() if key != "num_inference_steps"}
    pipe = zoo.load(found.name)
    pipe.set_progress_bar_config(disable=True)
    pipe.__class__ = type(type(pipe).__name__, (type(pipe),), {})  # some packages put things on a pipeline's class
    return Sample(found.name, pipe, {**call, "prompt": found.sample_prompts(batch, seed=0)})


def measure(samples: Sequence[Sample], rounds: int, only: str = "") -> list[Row]:
    """A row for each pair whose method a pattern finds, on two pipelines that are alike."""
    sample = samples[0]
    with settled():
        _watched(sample, None)  # what is made once, and stays, is no contender's
        uncached = _watched(sample, None)
        chosen = [pair for pair in pairs(sample) if re.search(only, pair.method)]
        known = [(pair, {"method": pair.method, **_sides(sample, pair, uncached)}) for pair in chosen]
    for pair, row in known:
        if "error" not in row:
            row |= _timed(samples, pair, rounds)
        print(row, flush=True)
    return [row for _, row in known]


def _watched(sample: Sample, contender: Contender | None) -> Row:
    return watched(sample, contender or Contender(UNCACHED, UNCACHED, nothing, steps=STEPS), count=True)


def _sides(sample: Sample, pair: Pair, uncached: Row) -> Row:
    """What each executes and caches, and how far apart their latents are."""
    sides = {"ours": _watched(sample, pair.ours), "theirs": _watched(sample, pair.theirs)}
    row: Row = {"package": pair.theirs.name.split()[0]}
    for side, found in sides.items():
        contender = pair.ours if side == "ours" else pair.theirs
        row[side] = {"settings": dict(contender.settings)}
        if "error" in found:
            return {**row, "error": f"{side}: {found['error']}"}
        row[side] |= {
            "executed": round(found["multiply-adds"] / uncached["multiply-adds"], 4),
            "cached bytes": found["cached bytes"],
            "bytes alive after the call": found["bytes alive after the call"],
        }
    difference = (sides["ours"]["latents"] - sides["theirs"]["latents"]).abs().max()
    change = (sides["ours"]["latents"] - uncached["latents"]).abs().max()
    return {**row, "difference": float(difference), "change by caching": float(change)}


def _timed(samples: Sequence[Sample], pair: Pair, rounds: int) -> Row:
    """Medians and quartiles of both sides' seconds, and of how many times as long theirs take."""
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for own, other in (samples, samples[::-1]):
        with _on(own, pair.ours) as ours, _on(other, pair.theirs) as theirs:
            cases = {"ours": partial(generate, own, ours, STEPS), "theirs": partial(generate, other, theirs, STEPS)}
            for side, timing in time_interleaved(cases, rounds // 2, WARM).items():
                taken[side] += timing.samples
    ratios = [theirs / ours for ours, theirs in zip(taken["ours"], taken["theirs"], strict=True)]
    return {"seconds": {side: summarise(own) for side, own in taken.items()}, "theirs / ours": summarise(ratios)}


@contextmanager
def _on(sample: Sample, contender: Contender) -> Iterator[Session]:
    with pristine(sample.pipe, sample.denoiser, set()), contender.on(sample.pipe) as session:
        yield session


def table(cases: list[Row]) -> str:
    """A Markdown table of all cases: one row a pair, one column of ratios a batch."""
    rows = []
    for case in cases:
        for row in case["rows"]:
            names = [f"{case['model']}, {case['batch']}", f"{row['method']} ({row['package']})"]
            if "error" in row:
                rows.append([*names, row["error"]])
                continue
            sides = [row["ours"], row["theirs"]]
            work = ", ".join(f"{side['executed']:.1%}" for side in sides)
            held = ", ".join(f"{side['cached bytes'] / 1e6:.2f}" for side in sides)
            low, high = row["theirs / ours"]["quartiles"]
            rows.append([*names, work, held, f"{row['theirs / ours']['median']:.2f} ({low:.2f}-{high:.2f})"])
    headings = ["model, batch", "method", "executed: ours, theirs", "cached MB: ours, theirs"]
    return markdown_table([*headings, "time, theirs / ours (quartiles)"], rows, left=(0, 1))


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--models", default="zoo:emoji,zoo:emoji-unet")
    parser.add_argument("--batches", default="1")
    parser.add_argument("--only", default="", help="methods that this pattern finds")
    parser.add_argument("--add", action="store_true", help="to what the file has, in the place of the same")
    parser.add_argument("--name", default="equal")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    file = RESULTS / f"{given.name}.json"
    cases: list[Row] = json.loads(file.read_text())["cases"] if given.add else []
    for name in given.models.split(","):
        for batch in map(int, given.batches.split(",")):
            rows = measure([model(name, batch) for _ in range(2)], given.rounds, given.only)
            case = {"model": name, "batch": batch, "steps": STEPS, "rounds": given.rounds, "rows": rows}
            before = next((c for c in cases if (c["model"], c["batch"]) == (name, batch)), None)
            if before is None:
                cases.append(case)
            else:
                new = {row["method"]: row for row in rows}
                before["rows"] = [new.pop(row["method"], row) for row in before["rows"]] + [*new.values()]
            write(given.name, {"what": (__doc__ or "").split("\n", 1)[0], "cases": cases}, quiet=True)
    print(table(cases))


if __name__ == "__main__":
    main()

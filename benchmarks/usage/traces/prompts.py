"""The prompts of benchmarks of text to image, in their order, as requests: what people ask once.

They lie beside the repository and are no part of it: ImageReward's, PartiPrompts, VBench's and GenEval's.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from evocache.usage.policies.trace import Trace
from evocache.usage.workloads import BYTES, SECONDS

from .arrivals import Arrivals, TraceError, nobody

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "prompts"


def read_prompts(folder: Path = FOLDER) -> Arrivals:
    """Read all prompts; equal ones are one question, and each set of them is a group.

    Raises:
        TraceError: if a set is not there, or is in another format.
    """
    sets = {"imagereward": _imagereward, "parti": _parti, "vbench": _vbench, "geneval": _geneval}
    prompts: list[tuple[str, int]] = []
    for group, (name, read) in enumerate(sets.items(), 1):
        try:
            prompts += [(prompt, group) for prompt in read(folder / name)]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise TraceError(f"{name}: {error}") from None
    numbers: dict[str, int] = {}
    keys = [numbers.setdefault(prompt, len(numbers) + 1) for prompt, _ in prompts]
    groups = np.array([group for _, group in prompts], np.int64)
    lookups = Trace.of(np.array(keys, np.int64), size=BYTES, seconds=SECONDS, group=groups)
    return Arrivals("prompts", np.zeros(0), nobody(), lookups, "bytes")


def _imagereward(folder: Path) -> list[str]:
    return [row["prompt"] for row in json.loads((folder / "benchmark-prompts.json").read_text("utf-8"))]


def _parti(folder: Path) -> list[str]:
    with (folder / "PartiPrompts.tsv").open(encoding="utf-8", newline="") as file:
        return [row["Prompt"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _vbench(folder: Path) -> list[str]:
    return [line for line in (folder / "all_dimension.txt").read_text("utf-8").splitlines() if line.strip()]


def _geneval(folder: Path) -> list[str]:
    lines = (folder / "evaluation_metadata.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in lines if line.strip()]

"""Published sizes, counted without weights, against closed formulas and against what ECAD's authors counted.

The formulas are written out here from the papers' widths and depths and share nothing with the probe. Schedules are
priced twice: from the library's executed cells, and flag by flag from the raw file.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from evocache.errors import PipelineError
from evocache.metrics.cost import work_by_kind
from evocache.model.architectures import ARCHITECTURES, find_architecture
from evocache.model.probe import Probe
from evocache.schedule import Schedule, loads
from evocache.schedule.io.ecad_models import FLUX, PIXART, build_tree

ECAD = ("pixart-alpha-256", "pixart-sigma-256", "flux-dev-256", "flux-dev-1024")
STEPS = 20


class Formula(NamedTuple):
    """Multiply-adds of one sample: of a block's parts by their names in ECAD's files, and of all that always runs.

    `scores` are those of the products of queries with keys and of weights with values, which `parts` contain.
    """

    parts: dict[str, int]
    always: int
    scores: int


def pixart(pixels: int, text: int) -> Formula:
    tokens, width, blocks = (pixels // 16) ** 2, 1152, 28
    parts = {
        "attn1": 4 * tokens * width**2 + 2 * tokens**2 * width,
        "attn2": 2 * tokens * width**2 + 2 * text * width**2 + 2 * tokens * text * width,
        "ff": 8 * tokens * width**2,
    }
    caption = text * (4096 * width + width**2)
    patches = tokens * width * (16 + 32)
    time = 256 * width + width**2 + 6 * width**2
    return Formula(parts, caption + patches + time, blocks * 2 * tokens * (tokens + text) * width)


def flux(pixels: int, text: int = 512) -> Formula:
    image, width = (pixels // 16) ** 2, 3072
    tokens = image + text
    scores = 2 * tokens**2 * width
    parts = {
        "full_attn": 4 * tokens * width**2 + scores,
        "full_ff": 8 * image * width**2,
        "full_ff_context": 8 * text * width**2,
        "single_attn": 3 * tokens * width**2 + scores,
        "single_proj_mlp": 4 * tokens * width**2,
        "single_proj_out": 5 * tokens * width**2,
    }
    modulation = 19 * 2 * 6 * width**2 + 38 * 3 * width**2 + 2 * width**2
    ends = 2 * image * 64 * width + text * 4096 * width
    time = 2 * (256 * width + width**2) + 768 * width + width**2
    return Formula(parts, modulation + ends + time, 57 * scores)


def formula(name: str) -> Formula:
    pixels = int(name.rsplit("-", 1)[1])
    return flux(pixels) if name.startswith("flux") else pixart(pixels, 300 if "sigma" in name else 120)


def blocks_of(name: str) -> dict[str, int]:
    """Prefixes of block keys, and how many blocks have it."""
    return {"": 19, "single_": 38} if name.startswith("flux") else {"": 28}


def parts_of(name: str, prefix: str) -> list[str]:
    return [p for p in formula(name).parts if p.startswith("single_") == (prefix == "single_")]


def uncached(name: str) -> int:
    """Multiply-adds of one sample at one step."""
    found = formula(name)
    return found.always + sum(n * found.parts[p] for pre, n in blocks_of(name).items() for p in parts_of(name, pre))


@cache
def probed(name: str) -> Probe:
    return find_architecture(name).probe()


def document(name: str, recomputed: float) -> dict[str, Any]:
    """A random file in ECAD's layout; all is recomputed at the first step."""
    random = np.random.default_rng(7)
    grid = {
        f"{step:03}": {
            f"{prefix}{i}": {p: bool(step == 0 or random.random() < recomputed) for p in parts_of(name, prefix)}
            for prefix, count in blocks_of(name).items()
            for i in range(count)
        }
        for step in range(STEPS)
    }
    counts = dict(zip(("num_blocks", "num_single_blocks"), blocks_of(name).values(), strict=False))
    return {"cache_schedule": {**counts, "num_inference_steps": STEPS, "name": "random", "schedule": grid}}


def flagged(name: str, file: dict[str, Any]) -> int:
    """Multiply-adds of one sample, flag by flag; of a single block nothing else is needed where its end is reused."""
    found = formula(name)
    total = 0
    for row in file["cache_schedule"]["schedule"].values():
        total += found.always
        for flags in row.values():
            total += sum(found.parts[p] for p, on in flags.items() if on and flags.get("single_proj_out", True))
    return total


@pytest.mark.parametrize("name", ECAD)
def test_totals_agree_with_independent_arithmetic(name: str) -> None:
    made, file = find_architecture(name), document(name, 0.4)
    schedule = loads(json.dumps(file))
    work = work_by_kind(schedule, probed(name)).values()
    samples = made.shape.batch
    assert sum(w.uncached for w in work) == pytest.approx(2 * samples * STEPS * uncached(name), rel=1e-9)
    assert sum(w.executed for w in work) == pytest.approx(2 * samples * flagged(name, file), rel=1e-9)
    assert sum(w.executed for w in work) < 0.6 * sum(w.uncached for w in work)


@pytest.mark.parametrize("name", ECAD)
def test_files_of_ecad_fit_the_models(name: str) -> None:
    family = FLUX if name.startswith("flux") else PIXART
    assert probed(name).model.tree.components == build_tree(family, *blocks_of(name).values()).components


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("pixart-alpha-256", 5_713_796_136_960),
        ("flux-dev-256", 198_691_510_026_240),
        ("flux-dev-1024", 1_190_245_108_285_440),
    ],
)
def test_uncached_totals_are_those_that_ecad_states(name: str, macs: int) -> None:
    """Their counter leaves out products of activations, and they count two samples a step, of FLUX.1 as well."""
    own = probed(name).measures["transformer"].flops / 2 / find_architecture(name).shape.batch
    assert 2 * STEPS * (own - formula(name).scores) == pytest.approx(macs, rel=0.005)


def test_kinds_add_up_and_leaves_are_told_from_what_always_runs() -> None:
    found = probed("pixart-alpha-256")
    schedule = Schedule.full(found.model.tree, 3)
    work = work_by_kind(schedule, found)
    parts = formula("pixart-alpha-256").parts
    assert list(work) == ["attention", "cross_attention", "feed_forward", "other"]
    assert work["feed_forward"].uncached == work["feed_forward"].executed == 3 * 2 * 2 * 28 * parts["ff"]
    assert work["other"].executed == 3 * 2 * 2 * formula("pixart-alpha-256").always


def test_shapes_are_chosen_or_refused() -> None:
    made = ARCHITECTURES["pixart-alpha-256"]
    assert made.shaped(height=512, text_tokens=7).shape.text_tokens == 7
    with pytest.raises(PipelineError, match="text_tokens"):
        made.shaped(tokens=7)
    with pytest.raises(PipelineError, match="at least 1"):
        made.shaped(height=0)
    with pytest.raises(PipelineError, match="arch:sdxl-1024"):
        find_architecture("arch:unheard-of")


def test_sizes_are_the_published_ones() -> None:
    """Parameters in millions, to three digits, of those that no other test here counts."""
    millions = {"sd15-512": 859.5, "sdxl-1024": 2567.5, "wan21-1.3b-480p": 1419.0}
    for name, expected in millions.items():
        count = sum(p.numel() for p in ARCHITECTURES[name].module().parameters())
        assert count / 1e6 == pytest.approx(expected, abs=0.1)

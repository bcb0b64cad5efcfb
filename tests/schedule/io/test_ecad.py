"""Files of the ECAD repository: small ones made by hand, with counts found by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import CodecError, ScheduleError
from evocache.schedule import REUSE, Schedule, forecast, load, loads, uniform
from evocache.schedule.io.ecad import dumps_ecad, loads_ecad
from evocache.schedule.io.ecad_models import FLUX, PIXART, build_tree
from tests.schedule.strategies import MODEST, dit

T, F = True, False


def pixart() -> dict[str, Any]:
    """Two blocks, four steps; of 24 cells 14 are true. One is false at step 0."""
    steps = {
        "000": {"0": {"attn1": T, "attn2": T, "ff": T}, "1": {"attn1": T, "attn2": F, "ff": T}},
        "001": {"0": {"attn1": F, "attn2": F, "ff": T}, "1": {"attn1": T, "attn2": F, "ff": F}},
        "002": {"0": {"attn1": T, "attn2": F, "ff": F}, "1": {"attn1": T, "attn2": T, "ff": F}},
        "003": {"0": {"attn1": F, "attn2": F, "ff": T}, "1": {"attn1": T, "attn2": T, "ff": T}},
    }
    body = {"num_blocks": 2, "num_inference_steps": 4, "name": "gen_007_cand_003", "attributes": {}, "schedule": steps}
    metrics = {
        "by_inference_step": {"000": {"flops": 10, "macs": 5}},
        "total_macs": 30137665978368,
        "image_reward": 0.77,
        "latency": {"avg": 12.5, "gpu": "NVIDIA RTX A6000", "latencies": [12.0, 13.0]},
        "verified": True,
    }
    return {"cache_schedule": body, "config": {"height": 256}, "metrics": metrics}


def flux() -> dict[str, Any]:
    """One double and two single blocks, three steps; 20 of 27 cells are true, two of them read by nobody."""
    steps = {
        "000": {
            "0": {"full_attn": T, "full_ff": T, "full_ff_context": T},
            "single_0": {"single_attn": T, "single_proj_mlp": T, "single_proj_out": T},
            "single_1": {"single_attn": T, "single_proj_mlp": T, "single_proj_out": T},
        },
        "001": {
            "0": {"full_attn": F, "full_ff": T, "full_ff_context": F},
            "single_0": {"single_attn": T, "single_proj_mlp": T, "single_proj_out": F},
            "single_1": {"single_attn": T, "single_proj_mlp": F, "single_proj_out": T},
        },
        "002": {
            "0": {"full_attn": T, "full_ff": F, "full_ff_context": T},
            "single_0": {"single_attn": F, "single_proj_mlp": T, "single_proj_out": T},
            "single_1": {"single_attn": F, "single_proj_mlp": T, "single_proj_out": T},
        },
    }
    body = {"num_blocks": 1, "num_inference_steps": 3, "name": "f", "attributes": {}, "num_single_blocks": 2}
    return {"cache_schedule": {**body, "schedule": steps}, "config": {}, "metrics": {}}


def leaves(schedule: Schedule, stack: str) -> list[list[int]]:
    """Executed steps of each leaf, a list for each block of the stack."""
    counts = schedule.counts()
    blocks = [c for c in schedule.tree.of_kind("block") if f"/{stack}." in c.id]
    return [[counts[leaf.id] for leaf in schedule.tree.children(block.id)] for block in blocks]


def test_pixart_counts():
    schedule = loads_ecad(json.dumps(pixart()))
    assert leaves(schedule, "transformer_blocks") == [[2, 1, 3], [4, 3, 2]]
    assert schedule.executed_fraction() == (14 + 1) / 24
    assert (schedule.steps, dict(schedule.model)) == (4, {"transformer": "PixArtTransformer2DModel"})


def test_pixart_tree():
    rows = [(c.id, c.kind, c.block, c.parent) for c in loads_ecad(json.dumps(pixart())).tree]
    root, span = "transformer", "transformer/blocks[0:2]"
    assert rows == [
        (root, "denoiser", None, None),
        (span, "span", None, root),
        *[
            row
            for b, block in enumerate(("transformer/transformer_blocks.0", "transformer/transformer_blocks.1"))
            for row in [
                (block, "block", b, span),
                (f"{block}.attn1", "attention", b, block),
                (f"{block}.attn2", "cross_attention", b, block),
                (f"{block}.ff", "feed_forward", b, block),
            ]
        ],
    ]


def test_pixart_provenance():
    provenance = loads_ecad(json.dumps(pixart())).provenance
    assert provenance.origin == "gen_007_cand_003"
    assert provenance.objectives == {"total_macs": 30137665978368.0, "image_reward": 0.77, "latency.avg": 12.5}
    assert provenance.notes["repaired"].endswith("first step: transformer/transformer_blocks.1.attn2")
    assert provenance.notes["config"] == '{"height": 256}'


def test_flux_counts():
    schedule = loads_ecad(json.dumps(flux()))
    assert leaves(schedule, "transformer_blocks") == [[2, 2, 2]]
    assert leaves(schedule, "single_transformer_blocks") == [[2, 2, 1], [2, 3, 2]]
    assert schedule.executed_fraction() == (20 - 2) / 27
    assert schedule.provenance.notes["left out"].startswith("2 recomputed values")
    assert dict(schedule.model) == {"transformer": "FluxTransformer2DModel"}


def test_flux_tree():
    tree = loads_ecad(json.dumps(flux())).tree
    assert [c.id for c in tree.of_kind("span")] == ["transformer/blocks[0:3]"]
    assert [c.block for c in tree.of_kind("block")] == [0, 1, 2]
    block = "transformer/single_transformer_blocks.1"
    rows = [(c.id.removeprefix(block), c.kind, c.block, c.readers) for c in tree.children(block)]
    reader = (f"{block}.proj_out",)
    assert rows == [
        (".proj_mlp", "feed_forward", 2, reader),
        (".proj_out", "projection", 2, ()),
        (".attn", "attention", 2, reader),
    ]
    kinds = [(c.id, c.kind) for c in tree.children("transformer/transformer_blocks.0")]
    assert kinds == [
        ("transformer/transformer_blocks.0.attn", "attention"),
        ("transformer/transformer_blocks.0.ff", "feed_forward"),
        ("transformer/transformer_blocks.0.ff_context", "feed_forward"),
    ]


def test_the_full_models_have_their_published_numbers_of_cells():
    assert sum(c.is_leaf for c in build_tree(PIXART, 28)) == 84
    assert sum(c.is_leaf for c in build_tree(FLUX, 19, 38)) == 171


@pytest.mark.parametrize("key", ["single_{}", "single-{}", "single.{}", "single{}", "single_transformer_blocks.{}"])
@pytest.mark.parametrize("prefix", ["single_", ""])
def test_spellings_of_single_blocks(key, prefix):
    document = flux()
    for row in document["cache_schedule"]["schedule"].values():
        for b in range(2):
            block = row.pop(f"single_{b}")
            row[key.format(b)] = {prefix + k.removeprefix("single_"): v for k, v in block.items()}
    assert loads_ecad(json.dumps(document)) == loads_ecad(json.dumps(flux()))


@pytest.mark.parametrize("step", ["{}", "{:03}", "{:05}"])
@pytest.mark.parametrize("block", ["{}", "{:02}", "transformer_blocks.{}"])
def test_spellings_of_steps_and_blocks(step, block):
    document = pixart()
    grid = document["cache_schedule"]["schedule"]
    document["cache_schedule"]["schedule"] = {
        step.format(int(s)): {block.format(int(b)): cells for b, cells in row.items()} for s, row in grid.items()
    }
    assert loads_ecad(json.dumps(document)) == loads_ecad(json.dumps(pixart()))


def test_what_is_absent_is_recomputed():
    document = pixart()
    grid = document["cache_schedule"]["schedule"]
    del grid["001"], grid["002"]["0"], grid["003"]["1"]["attn1"]
    assert leaves(loads_ecad(json.dumps(document)), "transformer_blocks") == [[3, 3, 4], [4, 4, 3]]


def test_numbers_may_be_absent():
    document = flux()
    for key in ("num_blocks", "num_inference_steps", "num_single_blocks", "name", "attributes"):
        del document["cache_schedule"][key]
    del document["config"], document["metrics"]
    assert loads_ecad(json.dumps(document)) == loads_ecad(json.dumps(flux()))


def test_steps_past_the_end_are_ignored_and_noted():
    document = pixart()
    document["cache_schedule"]["num_inference_steps"] = 3
    schedule = loads_ecad(json.dumps(document))
    assert leaves(schedule, "transformer_blocks") == [[2, 1, 2], [3, 2, 1]]
    assert schedule.provenance.notes["ignored steps"] == "1 steps beyond num_inference_steps"


def test_custom_computations_are_ignored_and_noted():
    document = pixart()
    for row in document["cache_schedule"]["schedule"].values():
        row["0"]["custom_compute_attn"] = {"name": "compute_attn_tgate", "kwargs": {"gate_step": 10}}
        row["1"]["custom_compute_ff"] = {"name": "of_ones_own"}
    schedule = loads_ecad(json.dumps(document))
    assert schedule == loads_ecad(json.dumps(pixart()))
    assert schedule.provenance.notes["ignored"].startswith("custom_compute_attn, custom_compute_ff: ")


def test_load_and_loads_recognise_the_layout(tmp_path):
    path = tmp_path / "ecad.json"
    path.write_text(json.dumps(flux()))
    assert load(path) == loads(path.read_bytes()) == loads_ecad(json.dumps(flux()))


def change(*keys: str, value: Any) -> dict[str, Any]:
    document = pixart()
    at = document
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return document


GRID = ("cache_schedule", "schedule")
BLOCK = (*GRID, "001", "0")


@pytest.mark.parametrize(
    ("document", "given", "expected"),
    [
        (change("cache_schedule", value=[]), "[] for cache_schedule", "an object"),
        (change(*GRID, value=None), "None for cache_schedule.schedule", "an object"),
        (change(*GRID, value={}), "a schedule without components", "components"),
        (change(*GRID, "x", value={}), "step 'x'", "007"),
        (change(*GRID, "-1", value={}), "step '-1'", "007"),
        (change(*GRID, "1", value={}), "step 1 twice", "once"),
        (change(*GRID, "9" * 5000, value={}), "step '999", "007"),
        (change(*GRID, "001", value=[]), "[] for step '001'", "an object"),
        (change(*GRID, "001", "up_0", value={}), "block 'up_0' at step 1", "single_3"),
        (change(*GRID, "001", "00", value={}), "block '00' twice at step 1", "once"),
        (change(*GRID, "001", "2", value={"ff": F}), "block 2 with num_blocks 2", "blocks below 2"),
        (change(*BLOCK, value=True), "True for block 0 at step 1", "an object"),
        (change(*BLOCK, "attn3", value=T), "component 'attn3' of block 0 at step 1", "attn1, attn2, ff, full_attn"),
        (change(*BLOCK, "single_attn", value=T), "component 'single_attn' of block 0", "attn1"),
        (change(*BLOCK, "full_ff", value=T), "components attn1, attn2, ff, full_ff", "not both"),
        (change(*BLOCK, "ff", value=1), "1 for component 'ff' of block 0 at step 1", "true or false"),
        (change(*BLOCK, "ff", value=None), "None for component 'ff'", "true or false"),
        (change(*BLOCK, "ff", value="true"), "'true' for component 'ff'", "true or false"),
        (change("cache_schedule", "num_blocks", value=10**9), "1000000000 for num_blocks", "0..1000"),
        (change("cache_schedule", "num_inference_steps", value=10**9), "1000000000 for num_inf", "0..10000"),
        (change("cache_schedule", "num_inference_steps", value=0), "0 cells", "1 to"),
        (change("cache_schedule", "num_inference_steps", value="4"), "'4' for num_inference_steps", "whole number"),
        (change("cache_schedule", "name", value=7), "7 for name", "a string"),
        (change("metrics", value=[1]), "[1] for metrics", "an object"),
        (change("metrics", "loss", value=float("nan")), "NaN", "finite"),
    ],
)
def test_what_is_no_file_of_theirs_is_refused(document, given, expected):
    with pytest.raises(CodecError) as caught:
        loads(json.dumps(document))
    assert given in caught.value.given
    assert expected in caught.value.expected


def test_many_cells_are_refused_before_they_are_made():
    document = change("cache_schedule", "num_blocks", value=1000)
    document["cache_schedule"]["num_inference_steps"] = 10_000
    with pytest.raises(CodecError, match="40020000 cells"):
        loads(json.dumps(document))


@MODEST
@given(st.sampled_from([(PIXART, (3,)), (FLUX, (1, 2)), (FLUX, (2, 0))]), st.integers(1, 5), st.data())
def test_export_and_import_are_inverse(model, steps, data):
    family, counts = model
    tree = build_tree(family, *counts)
    orders = np.full((steps, len(tree)), -1, dtype=np.int8)
    columns = [i for i, c in enumerate(tree) if c.is_leaf]
    for column in columns:
        orders[:, column] = data.draw(st.lists(st.sampled_from((-1, 0)), min_size=steps, max_size=steps))
    schedule = Schedule.repaired(tree, orders, model={"transformer": family.model})
    again = loads_ecad(dumps_ecad(schedule.with_provenance("me", objectives={"macs": 2.0})))
    assert again == schedule
    assert again.tree == schedule.tree
    assert (dict(again.model), again.provenance.origin) == (dict(schedule.model), "me")
    assert again.provenance.objectives == {"macs": 2.0}


def test_export_has_their_layout():
    document = json.loads(dumps_ecad(loads_ecad(json.dumps(flux()))))
    expected = flux()["cache_schedule"]
    for leaf in ("single_attn", "single_proj_mlp"):
        expected["schedule"]["001"]["single_0"][leaf] = F
    assert document == {"cache_schedule": expected, "config": {}, "metrics": {}}


ATTN = "transformer/transformer_blocks.0.attn1"
SPAN = "transformer/blocks[0:2]"


@pytest.mark.parametrize(
    ("schedule", "given"),
    [
        (uniform(build_tree(PIXART, 2), 4, [ATTN], [0, 1], forecast()), f"a forecast of {ATTN}"),
        (uniform(build_tree(PIXART, 2), 4, [SPAN], [0, 1], REUSE), f"{SPAN} is reused"),
        (Schedule.full(dit(2), 4), "component transformer/blocks.0.attn1"),
        (Schedule.full(build_tree(PIXART, 2), 4, model={"transformer": "SD3Transformer2DModel"}), "a schedule of SD3"),
        (Schedule.full(build_tree(PIXART, 2), 4, model={"transformer": "FluxTransformer2DModel"}), f"component {ATTN}"),
    ],
)
def test_what_their_files_cannot_say(schedule, given):
    with pytest.raises(ScheduleError) as caught:
        dumps_ecad(schedule)
    assert given in caught.value.given
    assert caught.value.mend == "save it in evocache's format"


def test_components_that_are_no_columns_always_compute():
    tree = build_tree(PIXART, 1)
    part = uniform(type(tree)(tuple(c for c in tree if c.kind != "cross_attention")), 3, [ATTN], [0])
    again = loads_ecad(dumps_ecad(part))
    assert leaves(again, "transformer_blocks") == [[1, 3, 3]]

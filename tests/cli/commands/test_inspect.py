import json

import pytest
from rich.console import Console

from evocache import discover
from evocache.cli.ui.saved_work import tabulate_work
from evocache.metrics.cost import Work
from evocache.policies import parse
from evocache.schedule import Component, Tree
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.schedule.tree_table import group_nodes
from evocache.validation.proof_file import Basis, Proof, write_proof
from tests.cli.conftest import weights
from tests.tiny import FAMILIES

PLAIN = ("--set", "use_resolution_binning=false", "--set", "clean_caption=false")


def test_equal_blocks_share_a_line(run, folder):
    text = run("inspect", folder, *PLAIN).stdout
    assert "transformer_blocks.0-3 ×4" in " ".join(text.split())
    assert "attn2 ×4" in " ".join(text.split())
    assert "100%" in text
    assert "one denoiser call" in text


@pytest.mark.parametrize("columns", [60, 80])
def test_a_narrow_terminal_shows_fewer_columns_and_whole_names(run, folder, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = run("inspect", folder, *PLAIN, "--schedule", "fora:2").stdout
    assert "transformer_blocks.0-3  " in text
    assert "FLOPs" in text
    assert "output" not in text
    assert "…" not in text


def test_depth_shows_every_component_of_so_many_levels(run, folder):
    text = run("inspect", folder, "--depth", 3).stdout
    assert all(f"transformer_blocks.{i}" in text for i in range(4))
    assert "attn1" not in text


def test_json_has_every_component_and_its_measures(run, folder):
    found = json.loads(run("inspect", folder, *PLAIN, "--json", "--schedule", "fora:2", "--steps", 4).stdout)
    rows = {row["id"]: row for row in found["components"]}
    assert found["denoisers"] == {"transformer": "PixArtTransformer2DModel"}
    assert len(rows) == 1 + 1 + 4 * 4
    root, leaf = rows["transformer"], rows["transformer/transformer_blocks.2.attn1"]
    assert root["flops_share"] == root["seconds_share"] == 1.0
    assert leaf["kind"] == "attention"
    assert leaf["shapes"] == [[2, 64, 32]]
    assert leaf["bytes"] == 2 * 64 * 32 * 4
    assert 0 < leaf["flops"] < root["flops"]
    assert (root["executed_steps"], leaf["executed_steps"]) == (4, 2)
    schedule = found["schedule"]
    assert schedule["executed_fraction"] == 0.5
    assert schedule["peak_cached_bytes"] == 12 * leaf["bytes"]
    assert 0.5 < schedule["flops_fraction"] < 0.6


def test_a_tree_is_shown_where_a_prompt_is_not_enough(run, folder):
    result = run("inspect", folder)
    assert result.exit_code == 0
    assert "attn1 ×4" in " ".join(result.stdout.split())
    assert "--set" in result.stderr


def test_u_nets(run, unet_folder):
    text = run("inspect", unet_folder, "--schedule", "deepcache:2", "--steps", 4).stdout
    assert "deep[0]" in text
    assert "resnet" in text


def test_memory_is_measured_stage_by_stage(run, unet_folder):
    arguments = ("inspect", unet_folder, "--stages", "--schedule", "deepcache:2", "--steps", 4)
    arguments += ("--set", "height=32", "--set", "width=32")
    found = json.loads(run(*arguments, "--json").stdout)["memory"]
    assert list(found) == ["uncached", "deepcache:2,0"]
    for stages in found.values():
        assert list(stages) == ["encode", "denoise", "decode"]
        assert len({stage["weights"] for stage in stages.values()}) == 1
    assert found["uncached"]["denoise"]["features"] == 0 < found["deepcache:2,0"]["denoise"]["features"]
    assert "held at most" in run(*arguments).stdout


def test_a_point_of_a_run_is_inspected(run, refused, folder, tmp_path):
    tree = discover(FAMILIES["pixart"].build()).tree
    slow, fast = (
        Point(parse(spec).schedule(tree, 4), {"error": -q}, {"speedup": x, "quality": q, "memory": 0.0}, steps=4)
        for spec, x, q in (("fora:2", 1.8, 40.0), ("fora:4", 3.0, 30.0))
    )
    basis = Basis(8, 5, 2, "psnr", "dB", steps=6)
    write_proof(tmp_path, Proof(Front((fast, slow), 6), ("front 0", "front 1"), {}, basis))
    for speedup, point, runs in ((2, fast, 1), (1.5, slow, 2)):
        words = ("inspect", folder, *PLAIN, "--schedule", tmp_path, "--speedup", speedup)
        found = json.loads(run(*words, "--json").stdout)
        assert found["schedule"]["digest"] == point.schedule.digest
        assert (found["steps"], found["schedule"]["steps"]) == (4, 4)
        rows = {row["id"]: row["executed_steps"] for row in found["components"]}
        assert rows["transformer/transformer_blocks.2.attn1"] == runs
        assert found["schedule"]["executed_fraction"] == point.schedule.executed_fraction()
    text = " ".join(run(*words).stdout.split())
    assert "fora:2: 50% of calls executed" in text
    assert "--speedup (1.80 to 3.00)" in refused("inspect", folder, "--schedule", tmp_path)
    assert "nearest" in refused("inspect", folder, "--schedule", tmp_path, "--speedup", 4)


def test_what_the_pipeline_itself_raises_is_told_in_its_words(refused, folder):
    told = refused("inspect", folder, *PLAIN, "--stages", "--steps", 2, "--set", "height=31")
    assert "PixArtAlphaPipeline called with" in told
    assert "height=31" in told
    assert "it raised ValueError: `height` and `width` have to be divisible by 8 but are 31" in told
    assert "evocache --debug" in told


def test_bad_input(refused, folder, tmp_path):
    assert "existing folder" in refused("inspect", "nonsense")
    assert "U-Net" in refused("inspect", folder, "--schedule", "deepcache:2")


def test_a_schedule_of_another_model(refused, run, folder, unet_folder, tmp_path):
    run("schedule", "convert", "fora:2", tmp_path / "s.json", "-m", unet_folder)
    assert "made for this model" in refused("inspect", folder, "--schedule", tmp_path / "s.json")


def test_neighbours_share_a_line_only_if_they_are_alike():
    parts = [Component("t", "denoiser")]
    for i in range(4):
        parts.append(Component(f"t/blocks.{i}", "block", i, "t"))
        parts.append(Component(f"t/blocks.{i}.attn", "attention", i, f"t/blocks.{i}"))
    parts.append(Component("t/blocks.3.ff", "feed_forward", 3, "t/blocks.3"))
    tree = Tree(tuple(parts))
    lines = [(n.level, n.label, len(n.members)) for n in group_nodes(tree, lambda c: None)]
    assert lines == [
        (0, "t", 1),
        (1, "blocks.0-2", 3),
        (2, "attn", 3),
        (1, "blocks.3", 1),
        (2, "attn", 1),
        (2, "ff", 1),
    ]
    wide = group_nodes(tree, lambda c: c.block == 1)
    assert [n.label for n in wide if n.level == 1] == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    assert [n.label for n in group_nodes(tree, lambda c: None, depth=2)] == ["t", *(f"blocks.{i}" for i in range(4))]


def test_nested_deep_parts_are_not_indented():
    parts = [Component("unet", "denoiser"), Component("unet/deep[0]", "deep", None, "unet")]
    parts.append(Component("unet/down.0", "resnet", None, "unet/deep[0]"))
    parts.append(Component("unet/deep[1]", "deep", None, "unet/deep[0]"))
    parts.append(Component("unet/mid", "resnet", None, "unet/deep[1]"))
    lines = [(n.level, n.label) for n in group_nodes(Tree(tuple(parts)), lambda c: None)]
    assert lines == [(0, "unet"), (1, "deep[0]"), (2, "down.0"), (1, "deep[1]"), (2, "mid")]


@pytest.mark.slow
def test_the_embedded_model(run):
    weights()
    found = json.loads(run("inspect", "zoo:emoji", "--json").stdout)
    assert found["steps"] == 20
    assert found["pipeline"] == "PixArtAlphaPipeline"


def test_an_architecture_is_counted_without_weights(run):
    arguments = (
        "inspect",
        "arch:pixart-alpha-256",
        "--schedule",
        "fora:2",
        "--steps",
        4,
        "--set",
        "height=128",
        "--json",
    )
    found = json.loads(run(*arguments).stdout)
    root = found["components"][0]
    assert found["denoisers"] == {"transformer": "PixArtTransformer2DModel"}
    assert (root["seconds"], root["seconds_share"], root["shapes"]) == (None, None, [[2, 8, 16, 32]])
    schedule = found["schedule"]
    assert schedule["uncached_flops"] == 2 * schedule["uncached_macs"] == 4 * root["flops"]
    kinds = schedule["flops_by_kind"]
    assert sum(kind["executed"] for kind in kinds.values()) == schedule["flops"]
    assert kinds["feed_forward"]["executed"] == kinds["feed_forward"]["uncached"] / 2
    assert kinds["other"]["executed"] == kinds["other"]["uncached"]


def test_work_is_shown_by_kind(capsys):
    parts = {"feed_forward": Work(6e9, 2e9), "other": Work(2e9, 2e9)}
    Console(width=120).print(tabulate_work({**parts, "together": Work(8e9, 4e9)}, 4, 120))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["feed-forward", "6", "GFLOP", "3", "GMAC", "75%", "2", "GFLOP", "1", "GMAC", "50%", "33%"] in lines
    assert ["together", "8", "GFLOP", "4", "GMAC", "100%", "4", "GFLOP", "2", "GMAC", "100%", "50%"] in lines


def test_what_an_architecture_cannot_tell(refused):
    assert "arch:flux-dev-1024" in refused("inspect", "arch:flux")
    assert "with weights" in refused("inspect", "arch:flux-dev-256", "--stages")
    assert "text_tokens" in refused("inspect", "arch:flux-dev-256", "--set", "steps=3")
    assert "no weights" in refused("plan", "-m", "arch:flux-dev-256")


def test_a_policy_becomes_a_file_for_an_architecture(run, tmp_path):
    run("schedule", "convert", "steps:0,2", tmp_path / "s.json", "-m", "arch:pixart-sigma-256")
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["model"] == {"transformer": "PixArtTransformer2DModel"}

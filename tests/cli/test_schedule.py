import json

import pytest

from evocache.policies import parse
from evocache.schedule import Component, Schedule, Tree, load, save


@pytest.fixture
def file(tmp_path):
    """fora:2 for a PixArt of two blocks and six steps, as a file."""
    parts = [Component("transformer", "denoiser")]
    for i in range(2):
        block = f"transformer/transformer_blocks.{i}"
        parts.append(Component(block, "block", i, "transformer"))
        for name, kind in (("attn1", "attention"), ("attn2", "cross_attention"), ("ff", "feed_forward")):
            parts.append(Component(f"{block}.{name}", kind, i, block))
    path = tmp_path / "mine.json"
    save(parse("fora:2").schedule(Tree(tuple(parts)), 6), path)
    return path


def test_show_a_file(run, file):
    text = run("schedule", "show", file).stdout
    assert "fora:2" in text
    assert "6 steps" in text
    assert "50% executed" in text


def test_show_resampled_and_in_detail(run, file):
    text = run("schedule", "show", file, "--steps", 12, "--detail").stdout
    assert "12 steps" in text
    assert "transformer_blocks.1.attn2" in text


def test_show_a_policy_on_a_folder(run, folder):
    text = run("schedule", "show", "fora:2", "--model", folder, "--steps", 4).stdout
    assert "fora:2" in text
    assert "50% executed" in text


def test_convert_there_and_back(run, file, tmp_path):
    theirs, back = tmp_path / "theirs.json", tmp_path / "back.json"
    result = run("schedule", "convert", file, theirs, "--to", "ecad")
    assert result.stdout == ""
    assert "6 steps, 50% executed" in result.stderr
    rows = json.loads(theirs.read_text())["cache_schedule"]["schedule"]
    assert rows["000"]["1"] == {"attn1": True, "attn2": True, "ff": True}
    assert rows["001"]["1"] == {"attn1": False, "attn2": False, "ff": False}
    run("schedule", "convert", theirs, back)
    before, after = load(file), load(back)
    assert isinstance(after, Schedule)
    assert {c: n for c, n in before.counts().items() if "." in c} == {
        c: n for c, n in after.counts().items() if "." in c
    }


def test_an_existing_file_is_kept_unless_forced(run, refused, file, tmp_path):
    target = tmp_path / "there.json"
    target.write_text("mine")
    assert "--force" in refused("schedule", "convert", file, target)
    assert target.read_text() == "mine"
    assert run("schedule", "convert", file, target, "--force").exit_code == 0
    assert load(target) == load(file)


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("nothing.json", "existing file"),
        ("fora", "fora:N"),
        ("fora:0", "from 1"),
        ("steps:1,2", "step 0"),
    ],
)
def test_what_is_no_schedule_is_explained(refused, folder, what, word):
    assert word in refused("schedule", "show", what, "--model", folder)


def test_a_file_that_holds_something_else(refused, tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": 1}')
    assert "evocache.schedule" in refused("schedule", "show", path)
    path.write_text("[" * 5000)
    refused("schedule", "show", path)


def test_a_policy_that_makes_no_sense_for_the_model(refused, folder):
    assert "U-Net" in refused("schedule", "show", "deepcache:2", "--model", folder)


def test_forecasts_cannot_be_told_to_ecad(refused, run, tmp_path, file):
    from evocache.schedule import forecast, uniform

    before = load(file)
    leaf = before.components[2].id
    save(uniform(before.tree, 6, [leaf], [0, 1, 4], forecast()), tmp_path / "forecast.json")
    assert "evocache's format" in refused(
        "schedule", "convert", tmp_path / "forecast.json", tmp_path / "out.json", "--to", "ecad"
    )
    assert not (tmp_path / "out.json").exists()

import json

import pytest

from evocache.policies import parse
from evocache.schedule import Component, Schedule, Tree, load, save
from evocache.schedule.front import Front, Point
from evocache.validation.proof_file import Basis, Proof, write_proof


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


@pytest.fixture
def front(tmp_path, file):
    """A run with two points, of which one is 2 times as fast."""
    schedule = load(file)
    points = tuple(
        Point(cells, {"error": -quality}, {"speedup": speedup, "quality": quality, "memory": 1e3})
        for cells, speedup, quality in ((schedule, 2.0, 20.0), (Schedule.full(schedule.tree, 6), 1.0, 60.0))
    )
    (tmp_path / "emoji").mkdir()
    write_proof(tmp_path / "emoji", Proof(Front(points), ("front 0", "front 1"), {}, Basis(8, 5, 2, "psnr", "dB")))
    return tmp_path / "emoji"


def test_a_run_s_point_is_shown_and_converted(run, front, file, tmp_path):
    text = run("schedule", "show", front, "--speedup", 2).stdout
    assert "front 0: 2.00x, 20.0 dB" in text
    assert "50% executed" in text
    assert "100% executed" in run("schedule", "show", front, "--min-quality", 50).stdout
    assert run("schedule", "convert", front, tmp_path / "its.json", "--speedup", 2).exit_code == 0
    assert load(tmp_path / "its.json") == load(file)
    assert run("schedule", "convert", front, tmp_path / "theirs.json", "--speedup", 2, "--to", "ecad").exit_code == 0
    assert "cache_schedule" in (tmp_path / "theirs.json").read_text()


def test_a_run_s_point_is_exported_under_a_name_that_says_what_it_is(run, front, file, tmp_path):
    words = ("schedule", "export", front, "--speedup", 2, "--out", tmp_path / "shared")
    first, again = run(*words).stdout, run(*words).stdout
    assert first == again
    name = first.strip().rsplit("/", 1)[-1]
    assert name.startswith("emoji-front-0-6steps-")
    assert load(tmp_path / "shared" / name) == load(file)
    other = run("schedule", "export", front, "--min-quality", 50, "--out", tmp_path / "shared").stdout
    assert len(list((tmp_path / "shared").iterdir())) == 2
    assert other != first


def test_a_run_is_asked_for_by_a_wish(refused, front):
    assert "--speedup (1.00 to 2.00)" in refused("schedule", "show", front)
    assert "--speedup with fora:2" in refused("schedule", "show", "fora:2", "--speedup", 2)


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

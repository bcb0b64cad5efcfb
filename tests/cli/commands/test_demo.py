import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evocache.cli.commands import demo
from evocache.cli.commands.demo_contenders import REFERENCE, DemoTrial, choose_contenders, pick_evolved
from evocache.model import discover
from evocache.policies import parse
from evocache.schedule import Schedule
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.zoo.models import Zoo
from evocache.zoo.motions import DEMO_PROMPTS
from tests.cli.conftest import weights, with_call
from tests.search.trees import stack
from tests.tiny import FAMILIES, KNOWN_WARNINGS

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

CALL = {"height": 32, "width": 32, "use_resolution_binning": False, "clean_caption": False}


@pytest.fixture(scope="module")
def pipe():
    return with_call(FAMILIES["pixart"].build(), **CALL)


def test_contenders_of_a_group_cost_about_the_same(pipe):
    found = choose_contenders(discover(pipe).tree, 20)
    assert [c.name for c in found] == [
        "uncached",
        "fora:2",
        "forecast 1 in 2",
        "10 steps",
        "fora:3",
        "forecast 1 in 3",
        "7 steps",
        "fora:5",
        "forecast 1 in 5",
        "4 steps",
    ]
    share = {c.name: c.schedule.executed_fraction() if c.schedule else c.steps / 20 for c in found}
    assert share["fora:2"] == share["forecast 1 in 2"] == share["10 steps"] == 0.5
    assert share["fora:5"] == share["forecast 1 in 5"] == share["4 steps"] == 0.2
    assert share["fora:3"] == share["forecast 1 in 3"] == share["7 steps"] == 0.35


def test_of_a_u_net_the_deep_part_is_skipped_and_fewer_steps_cost_as_much():
    found = choose_contenders(discover(FAMILIES["animatediff"].build()).tree, 20)
    assert [c.name for c in found[1:9:3]] == ["deepcache:2", "deepcache:3", "deepcache:5"]
    for reuse, forecast, fewer in zip(found[1::3], found[2::3], found[3::3], strict=True):
        share = reuse.schedule.executed_fraction()
        assert share == forecast.schedule.executed_fraction()
        assert abs(fewer.steps / 20 - share) <= 0.025
        assert {c.group for c in (reuse, forecast, fewer)} == {f"{share:.0%} of the calls"}


def test_videos_are_shown_in_an_animated_sheet(run, tmp_path, monkeypatch):
    class Approving:
        def accuracy(self, videos, texts):
            assert videos.shape == (len(texts), 5, 32, 32, 3)
            return np.array([1.0, *[0.0] * (len(texts) - 1)])

    small = with_call(FAMILIES["animatediff"].build(), height=32, width=32, num_frames=5)
    monkeypatch.setattr(demo, "load_pipeline", lambda name: small)
    monkeypatch.setattr(Zoo, "judge", lambda zoo: Approving())
    result = run("demo", "--video", "--json", "--prompts", 2, "--steps", 6, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"] == "zoo:emoji-motion"
    assert found["prompts"] == list(DEMO_PROMPTS[:2])
    assert {row["prompt_accuracy"] for row in found["rows"]} == {0.5}
    assert found["rows"][1]["psnr_db"] > 0
    with Image.open(found["sheet"]) as sheet:
        assert (sheet.format, sheet.n_frames) == ("WEBP", 5)


def test_a_trial_generates_every_prompt_and_accounts_for_it(pipe):
    prompts = ["a fox", "a dog", "a cat", "a cow", "a pig"]
    seen = []
    trial = DemoTrial(pipe, prompts, seed=3, advance=lambda: seen.append(1))
    entrants = choose_contenders(discover(pipe).tree, 6)[:4]
    found = trial.run(entrants)
    assert trial.rounds == 5
    assert len(seen) == trial.batches_of(entrants) == 2 + 5 * 4
    for outcome in found.values():
        assert np.stack(outcome.images).shape == (5, 32, 32, 3)
        assert len(outcome.timing.samples) == 5
    assert [round(o.executed, 3) for o in found.values()] == [1.0, 0.5, 0.5, 0.5]
    assert [o.peak_cached_bytes > 0 for o in found.values()] == [False, True, True, False]
    alone = DemoTrial(pipe, prompts[:1], seed=3).run(entrants[:1])[REFERENCE]
    np.testing.assert_allclose(alone.images[0], found[REFERENCE].images[0], atol=1e-4)
    assert len(alone.timing.samples) == 3


@pytest.mark.slow
def test_the_demo_prints_json_only_and_writes_the_sheet(run, tmp_path):
    weights()
    result = run("demo", "--json", "--prompts", 2, "--steps", 6, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["name"] for row in found["rows"]][:2] == ["uncached", "fora:2"]
    assert found["rows"][0]["psnr_db"] is None
    assert found["rows"][0]["speedup"] == 1.0
    assert found["rows"][1]["executed_fraction"] == 0.5
    assert {"device", "cores", "torch", "evocache"} <= set(found["machine"])
    with Image.open(Path(found["sheet"])) as sheet:
        assert sheet.width > 400


def test_bad_input(refused, run, tmp_path):
    assert run("demo", "--steps", 1).exit_code == 2
    assert run("demo", "--prompts", 0).exit_code == 2
    file = tmp_path / "file"
    file.touch()
    assert "--out" in refused("demo", "--out", file)


def test_an_evolved_point_may_have_fewer_steps():
    tree = stack()
    half, full = parse("steps:0,1,2").schedule(tree, 4), parse("steps:0,1,4,6").schedule(tree, 8)
    points = [Point(s, {}, {"quality": q}) for s, q in ((half, 30.0), (full, 20.0))]
    (found,) = pick_evolved(Front(tuple(points), 8), "half the cost", 8, 0.5)
    assert (found.name, found.denoising_steps, found.schedule) == (
        f"evolved, {half.executed_fraction() / 2:.0%} in 4 steps",
        4,
        half,
    )
    (found,) = pick_evolved(Front(tuple(points[1:]), 8), "half the cost", 8, 0.5)
    assert (found.name, found.denoising_steps) == ("evolved, 50%", 8)
    assert pick_evolved(Front(tuple(points), 8), "half the cost", 20, 0.5) == []
    assert pick_evolved(Front(tuple(points), 8), "a fifth", 8, 0.2) == []


@pytest.mark.parametrize(
    ("own", "rows"),
    [(1, ["4 steps", "1 steps", "fora:3"]), (3, ["4 steps", "fora:3"]), (4, ["4 steps", "fora:3"])],
)
def test_a_point_of_fewer_steps_is_named_as_such_and_shown_once(own, rows):
    """Where a row has the same number of steps it is no row of its own."""
    tree = stack()
    front = Front((Point(Schedule.full(tree, own), {}, {"quality": 30.0}),), 8)
    (found,) = pick_evolved(front, "half the cost", 8, 0.5)
    assert (found.name, found.schedule) == (f"{own} steps", None)
    named = [contender.name for contender in choose_contenders(tree, 8, front)]
    assert named[: len(rows) + 3] == ["uncached", "fora:2", "forecast 1 in 2", *rows]
    assert len(set(named)) == len(named)
    assert not any("evolved" in name for name in named)

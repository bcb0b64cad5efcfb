import json

import pytest
from diffusers import DiffusionPipeline
from PIL import Image

from evocache import discover, plan_memory
from evocache.cli.inputs.weightless import load_weightless
from evocache.policies import parse
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.units import format_bytes as amount
from evocache.validation.proof_file import Basis, Proof, write_proof
from tests.tiny import FAMILIES

PLAIN = ("--set", "use_resolution_binning=false", "--set", "clean_caption=false")


def test_stages_are_shown(run, unet_folder):
    text = run("plan", "-m", unet_folder, "--steps", 4, "--schedule", "fora:2", "--dtype", "float32").stdout
    for word in ("encode", "denoise", "decode", "weights", "activations", "features", "4 steps", "--memory"):
        assert word in text


def test_a_plan_for_a_budget_is_shown_and_drawn(run, unet_folder, tmp_path):
    plain = json.loads(run("plan", "-m", unet_folder, "--steps", 4, "--dtype", "float32", "--json").stdout)
    budget = int(0.8 * plain["plan"]["peak"])
    arguments = ("plan", "-m", unet_folder, "--steps", 4, "--dtype", "float32", "--memory", budget)
    picture = tmp_path / "new" / "memory.png"
    found = json.loads(run(*arguments, "--json", "--plot", picture).stdout)
    assert found["plan"]["peak"] <= budget < found["as it is"]["peak"]
    assert found["plan"]["slices"] or found["plan"]["offload"] or found["plan"]["decode slices"]
    assert [m["step"] for m in found["timeline"]] == [None, 0, 1, 2, 3, None]
    with Image.open(picture) as drawn:
        assert drawn.width > 1000


def test_a_point_of_a_run_is_planned_as_it_will_be_run(run, folder, tmp_path):
    tree = discover(FAMILIES["pixart"].build()).tree
    figures = {"speedup": 2.0, "quality": 30.0, "memory": 0.0}
    point = Point(parse("fora:2").schedule(tree, 4), {"error": -30.0}, figures, steps=4, storage="bf16", budget=10**9)
    write_proof(tmp_path, Proof(Front((point,), 6), ("front 0",), {}, Basis(8, 5, 2, "psnr", "dB", steps=6)))
    words = ("plan", "-m", folder, "--dtype", "float32", *PLAIN, "-s", tmp_path, "--speedup", 2)
    told = " ".join(run(*words).stdout.split())
    assert "front 0, 4 steps" in told
    assert f"fits {amount(10**9)}" in told
    found = json.loads(run(*words, "--steps", 3, "--storage", "none", "--memory", "2GB", "--json").stdout)
    assert [found[name] for name in ("steps", "storage", "budget")] == [3, "none", 2 * 10**9]


def test_what_cannot_fit_is_refused_with_the_bytes_that_are_missing(refused, unet_folder):
    assert "bytes more" in refused("plan", "-m", unet_folder, "--steps", 4, "--memory", "1KB")
    assert "200MB" in refused("plan", "-m", unet_folder, "--memory", "plenty")
    assert "existing folder" in refused("plan", "-m", "nonsense")
    assert "one of" in refused("plan", "-m", unet_folder, "--frames", 8)


def test_the_zoo_is_planned(run):
    from tests.cli.conftest import weights

    weights()
    found = json.loads(run("plan", "--steps", 5, "--schedule", "fora:2", "--json").stdout)
    assert found["steps"] == 5
    assert found["components"]["transformer"] > found["components"]["vae"] > 0


@pytest.mark.table("name", family=lambda name: "any")
@pytest.mark.parametrize("name", ["pixart", "sd15", "wan", "svd", "easyanimate"])
def test_no_weights_are_needed(name, tmp_path):
    tiny = FAMILIES[name]
    tiny.build().save_pretrained(tmp_path)
    for file in tmp_path.rglob("*.safetensors"):
        file.unlink()
    pipe = load_weightless(str(tmp_path), dtype="float32")
    assert all(p.is_meta for p in getattr(pipe, tiny.denoisers[0]).parameters())
    seen = {}

    class Seen(BaseException):
        pass

    class Spy:
        def __call__(self, **kwargs):
            seen.update(kwargs)
            raise Seen

    with pytest.raises(Seen):
        tiny.call(Spy())
    there = tiny.build()
    assert isinstance(there, DiffusionPipeline)
    without, with_ = (plan_memory(p, seen, "fora:2") for p in (pipe, there))
    assert without.plan.peak == pytest.approx(with_.plan.peak, rel=0.01)  # what is moved to the weights counts twice
    assert without.plan.features == with_.plan.features
    assert without.footprint.weights == with_.footprint.weights


def test_a_film_is_planned_as_its_frames_are_written(run):
    from tests.cli.conftest import weights

    weights()
    words = ("plan", "--model", "zoo:emoji-motion", "--steps", "2", "--json")
    video, film = (json.loads(run(*words, *more).stdout)["plan"] for more in ((), ("--film",)))
    assert film["stages"]["decode"]["bytes"] < video["stages"]["decode"]["bytes"]
    assert film["stages"]["denoise"] == video["stages"]["denoise"]

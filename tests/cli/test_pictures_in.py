"""Pictures, masks and tensors as input: pipelines that start from a picture are generated, planned and evolved here."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from PIL import Image

from evocache.cli.inputs.call_arguments import parse_settings
from evocache.errors import InputError
from evocache.validation.proof_file import read_proof
from tests.tiny import SD15, SD15_IMG2IMG
from tests.tiny.base import picture

pytestmark = pytest.mark.usefixtures("hasty")

STEPS = ("--steps", 4, "--device", "cpu")


@pytest.fixture(scope="module")
def img2img(tmp_path_factory):
    """A tiny pipeline from picture to picture, and where it is saved."""
    pipe, path = SD15_IMG2IMG.build(), tmp_path_factory.mktemp("img2img")
    pipe.save_pretrained(path)
    return pipe, path


@pytest.fixture(scope="module")
def inpaint(tmp_path_factory):
    """A tiny pipeline that paints what a mask says."""
    path = tmp_path_factory.mktemp("inpaint")
    pipe = StableDiffusionInpaintPipeline(**SD15.build().components, requires_safety_checker=False)
    pipe.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A picture, a mask, a tensor and what is none of them."""
    path = tmp_path_factory.mktemp("files")
    picture().save(path / "fox.png")
    Image.fromarray(np.tile(np.array([0, 255], dtype=np.uint8).repeat(16), (32, 1))).save(path / "mask.png")
    torch.save(torch.ones(2, 3), path / "ones.pt")
    np.save(path / "ones.npy", np.ones((2, 3), dtype=np.float32))
    np.save(path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    torch.save({"a": torch.ones(2)}, path / "several.pt")
    (path / "words.txt").write_text("blurry\n")
    (path / "list.json").write_text("[1, 2]")
    (path / "deep.json").write_text("[" * 100_000)
    (path / "fake.png").write_text("no picture")
    (path / "fake.pt").write_text("no tensor")
    (path / "what.xyz").write_text("?")
    return path


def pixels(folder):
    return [np.asarray(Image.open(file)).astype(int) for file in sorted(folder.glob("*.png"))]


def test_a_picture_is_where_a_generation_starts(run, img2img, files, tmp_path):
    pipe, folder = img2img
    prompts = ("-p", "a red fox", "-p", "a blue fox", "--set", "strength=0.75")
    given = {"prompt": "a red fox", "image": picture(), "strength": 0.75, "num_inference_steps": 4}
    expected = pipe(**given, generator=torch.Generator().manual_seed(3)).images[0]
    ways = (["--image", files / "fox.png"], ["--set", f"image=@{files / 'fox.png'}"])
    for number, way in enumerate(ways):
        out = tmp_path / str(number)
        result = run("generate", "-m", folder, *prompts, *way, "--seed", 3, *STEPS, "-o", out)
        assert result.exit_code == 0, result.output
        first, second = pixels(out)
        assert np.abs(first - np.asarray(expected).astype(int)).max() <= 1
        assert (first != second).any()
    together = run(
        "generate", "-m", folder, *prompts, *ways[0], "--batch", 2, *STEPS, "-s", "fora:2", "-o", tmp_path / "b"
    )
    assert together.exit_code == 0, together.output


def test_no_prompt_is_needed_beside_a_picture(run, img2img, files, tmp_path):
    result = run("generate", "-m", img2img[1], "--image", files / "fox.png", *STEPS, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert len(pixels(tmp_path)) == 1


def test_a_mask_says_what_is_painted(run, inpaint, files, tmp_path):
    given = ("-p", "a fox", "--image", files / "fox.png", "--mask", files / "mask.png")
    size = ("--height", 32, "--width", 32)
    result = run("generate", "-m", inpaint, *given, *size, *STEPS, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    (shown,) = pixels(tmp_path)
    assert shown.shape == (32, 32, 3)


def test_pictures_are_planned_and_inspected(run, img2img, inpaint, files):
    for model, more in (
        (img2img[1], []),
        (inpaint, ["--mask", files / "mask.png", "--set", "height=32", "--set", "width=32"]),
    ):
        planned = run("plan", "-m", model, "--image", files / "fox.png", *more, "--steps", 4, "--json")
        assert planned.exit_code == 0, planned.output
        assert json.loads(planned.stdout)["plan"]["peak"] > 0
        shown = run("inspect", model, "--image", files / "fox.png", *more, *STEPS, "--json")
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.stdout)["components"][0]["seconds"] > 0


def test_schedules_are_evolved_from_a_picture(run, img2img, files, tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\na dog\n")
    given = ("--image", files / "fox.png", "--set", "strength=0.75", "--prompts", tmp_path / "prompts.txt")
    small = ("--steps", 4, "--workers", 1, "--generations", 0, "--device", "cpu", "--out", tmp_path / "run")
    result = run("evolve", "-m", img2img[1], *given, *small)
    assert result.exit_code == 0, result.output
    assert len(read_proof(tmp_path / "run").front) >= 1


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--image", "missing.png"], "no such file"),
        (["--image", "fake.png"], "no picture"),
        (["--image", "what.xyz"], "no picture"),
        (["--mask", "mask.png"], "--image"),
        (["--set", "image=@what.xyz"], ".png, .jpg"),
        (["--set", "latents=@fake.pt"], "no tensor"),
        (["--set", "latents=@several.pt"], "one tensor"),
        (["--set", "latents=@objects.npy"], "no tensor"),
        (["--set", "latents=@missing.npy"], "no such file"),
        (["--set", "x=@deep.json"], "16 deep"),
        (["--set", "guidance_scale=NaN"], "finite"),
        (["--set", "guidance_scale=1e999"], "finite"),
        (["--set", "x=" + "[" * 100_000], "nested"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "plan", "evolve"])
def test_what_cannot_be_given_is_refused_before_a_model_is_loaded(refused, files, monkeypatch, command, given, word):
    def loading(*_, **__):
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(f"evocache.cli.commands.{command}.load_pipeline", loading)
    monkeypatch.chdir(files)
    assert word in refused(command, *given, *(["-p", "fox"] if command == "generate" else []))


def test_a_pipeline_that_takes_no_picture_says_which_would(refused, folder, files, tmp_path):
    told = refused("generate", "-m", folder, "-p", "fox", "--image", files / "fox.png", "-o", tmp_path, *STEPS)
    assert "AutoPipelineForImage2Image" in told


def test_files_are_read_by_their_suffix(files, monkeypatch):
    monkeypatch.chdir(files)
    found = parse_settings(["a=@ones.pt", "b=@ones.npy", "c=@words.txt", "d=@list.json", "e=@@home", "f=3", "g=me@x"])
    assert torch.equal(found["a"], torch.ones(2, 3))
    assert torch.equal(found["b"], torch.ones(2, 3))
    assert [found[name] for name in "cdefg"] == ["blurry", [1, 2], "@home", 3, "me@x"]
    both = parse_settings([], [files / "fox.png", files / "fox.png"], files / "mask.png")
    assert [image.mode for image in (*both["image"], both["mask_image"])] == ["RGB", "RGB", "L"]


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("evocache.cli.inputs.argument_files.MAX_PICTURE", 1000)
    Image.new("RGB", (32, 32)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it is decoded"))
    with pytest.raises(InputError, match="32 by 32 pixels"):
        parse_settings([], [tmp_path / "large.png"])


def test_a_gate_decides_for_each_prompt_alone_unless_a_batch_is_asked_for(run, folder, tmp_path):
    sizes = ("--height", 32, "--width", 32, "--set", "use_resolution_binning=false", "--set", "clean_caption=false")
    two = ("-p", "a red fox", "-p", "a blue fox", *sizes, "--steps", 4, "--device", "cpu", "-s", "fbcache:0.2")
    alone, one, both = (tmp_path / name for name in ("alone", "one", "both"))
    usual = run("generate", "-m", folder, *two, "-o", alone)
    assert "note" not in usual.stderr
    assert "note" not in run("generate", "-m", folder, *two, "--batch", 1, "-o", one).stderr
    assert all((a == b).all() for a, b in zip(pixels(alone), pixels(one), strict=True))
    together = run("generate", "-m", folder, *two, "--batch", 2, "-o", both)
    assert "note: fbcache:0.2 is a gate: it decides for all 2 prompts" in " ".join(together.stderr.split())

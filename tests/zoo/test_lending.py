"""Models that take parts from another: tiny ones with random weights, written by the training's own export."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTextModel

from evocache import zoo
from evocache.errors import ZooError
from evocache.zoo import models
from evocache.zoo.motions import DEMO_PROMPTS
from training import clip, motion, unet
from training.export_unet import export_motion, export_unet, pipeline

pytestmark = pytest.mark.skipif(not zoo.find("zoo:emoji").is_there, reason="zoo:emoji lends its VAE and is not there")
STEPS = {"num_inference_steps": 2, "output_type": "np"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("zoo")
    base = unet.build(6, (32, 32, 32))
    adapter = motion.build(base)
    export_unet(pipeline(base, clip.build_encoder()), path / "emoji-unet")
    export_motion(adapter, path / "emoji-unet", path / "emoji-motion")
    return path


@pytest.fixture
def lent(folder, monkeypatch):
    """The zoo with these models in the place of the trained ones."""
    lent = tuple(
        model if model.base is None else replace(model, folder=folder / model.folder.name) for model in models._MODELS
    )
    monkeypatch.setattr(models, "_MODELS", lent)
    return folder


def test_no_part_is_stored_twice(folder):
    assert {path.name for path in (folder / "emoji-unet").iterdir() if path.is_dir()} == {
        "scheduler",
        "text_encoder",
        "tokenizer",
        "unet",
    }
    assert [path.name for path in (folder / "emoji-motion").iterdir() if path.is_dir()] == ["motion_adapter"]


def test_the_text_encoder_is_stored_as_published_ones_are(folder):
    path = folder / "emoji-unet" / "text_encoder"
    stored = load_file(path / "model.safetensors")
    loaded = CLIPTextModel.from_pretrained(path, local_files_only=True)
    assert all(name.startswith("text_model.") for name in stored)
    values = {name.removeprefix("text_model."): value for name, value in loaded.state_dict().items()}
    for name, value in stored.items():
        assert torch.equal(values[name.removeprefix("text_model.")], value), name


def test_pictures_from_a_plain_pipeline(lent):
    assert zoo.names() == ("zoo:emoji", "zoo:emoji-unet", "zoo:emoji-motion")
    pipe, vae = zoo.load("zoo:emoji-unet"), zoo.load("zoo:emoji").vae
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    assert all(p.dtype == torch.float32 for p in pipe.unet.parameters())
    assert torch.equal(pipe.vae.decoder.conv_in.weight, vae.decoder.conv_in.weight)
    assert pipe.vae.config.scaling_factor == vae.config.scaling_factor
    call = {**zoo.find("zoo:emoji-unet").call_defaults, **STEPS}
    images = pipe(["fox on a pink background"], generator=torch.Generator().manual_seed(0), **call).images
    assert images.shape == (1, 48, 48, 3)


def test_videos_from_a_plain_pipeline(lent):
    pipe = zoo.load("zoo:emoji-motion")
    assert type(pipe).__name__ == "AnimateDiffPipeline"
    assert type(pipe.unet).__name__ == "UNetMotionModel"
    assert {p.dtype for p in pipe.unet.parameters()} == {torch.float32}
    call = {**zoo.find("zoo:emoji-motion").call_defaults, **STEPS}
    frames = pipe(list(DEMO_PROMPTS[:2]), generator=torch.Generator().manual_seed(0), **call).frames
    assert frames.shape == (2, 8, 48, 48, 3)
    assert np.isfinite(frames).all()


def test_dtype_is_taken_by_lent_parts_too(lent):
    pipe = zoo.load("zoo:emoji-motion", dtype=torch.bfloat16)
    assert pipe.vae.dtype == pipe.unet.dtype == pipe.text_encoder.dtype == torch.bfloat16


def test_a_model_without_its_base_is_not_there(lent, tmp_path, monkeypatch):
    lent = tuple(
        replace(model, folder=tmp_path) if model.name == "zoo:emoji-unet" else model for model in models._MODELS
    )
    monkeypatch.setattr(models, "_MODELS", lent)
    assert zoo.names() == ("zoo:emoji",)
    with pytest.raises(ZooError, match=r"training\.emoji_motion"):
        zoo.load("zoo:emoji-motion")


def test_saved_and_loaded_whole_it_draws_the_same(lent, tmp_path):
    from diffusers import StableDiffusionPipeline

    pipe = zoo.load("zoo:emoji-unet")
    pipe.save_pretrained(tmp_path)
    again = StableDiffusionPipeline.from_pretrained(tmp_path, local_files_only=True)
    again.set_progress_bar_config(disable=True)
    call = {**zoo.find("zoo:emoji-unet").call_defaults, **STEPS}
    one, two = (
        p(["fox on a pink background"], generator=torch.Generator().manual_seed(0), **call).images
        for p in (pipe, again)
    )
    np.testing.assert_array_equal(one, two)

import inspect
import pickle
import subprocess
import sys

import diffusers
import pytest
import torch
from diffusers import DiffusionPipeline

from evocache import zoo
from evocache.errors import ZooError
from evocache.zoo.motions import STILL
from evocache.zoo.motions import parse as parse_motion
from evocache.zoo.prompts import parse

ALL = ("zoo:emoji", "zoo:emoji-unet", "zoo:emoji-motion")


def test_names_and_short_form():
    assert zoo.names() == tuple(name for name in ALL if zoo.find(name).is_there)
    assert zoo.names()[0] == "zoo:emoji"
    assert zoo.find("emoji") is zoo.find("zoo:emoji")


@pytest.mark.parametrize("name", ALL)
def test_an_entry_knows_its_prompts_call_and_figures(name):
    model = zoo.find(name)
    assert model.call_defaults["height"] == model.call_defaults["width"] == 48
    assert len(set(model.sample_prompts(20, seed=1))) == len(model.sample_prompts(20, seed=1, held_out=True)) == 20
    moving = name == "zoo:emoji-motion"
    for text in (*model.demo_prompts, *model.sample_prompts(20, seed=1)):
        parse(text)
        assert (parse_motion(text) == STILL) is not moving
    assert ("num_frames" in model.call_defaults) is moving
    assert bool(model.figures) is model.is_there


@pytest.mark.parametrize("name", ALL[1:])
def test_a_model_that_is_not_trained_says_what_trains_it(name):
    model = zoo.find(name)
    if model.is_there:
        pytest.skip(f"{name} is trained")
    with pytest.raises(ZooError, match=model.training.replace(".", r"\.")):
        zoo.load(name)


def test_unknown_name_lists_what_exists():
    with pytest.raises(ZooError, match="zoo:emoji"):
        zoo.load("zoo:photos")


@pytest.mark.table("name", family=lambda name: "zoo")
@pytest.mark.parametrize("name", zoo.names())
def test_import_is_light_and_load_is_silent_offline(name):
    script = (
        "import sys, evocache.zoo, evocache.zoo.prompts\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        f"evocache.zoo.load({name!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "PYTHONPATH": ":".join(sys.path), "PATH": ""},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ordinary_classes_with_finite_parameters(emoji):
    assert type(emoji).__name__ == "PixArtAlphaPipeline"
    for part in (emoji.transformer, emoji.vae, emoji.text_encoder):
        assert all(p.dtype == torch.float32 and p.isfinite().all() for p in part.parameters())


@pytest.mark.table("name", family=lambda name: "zoo")
@pytest.mark.parametrize("name", zoo.names())
def test_a_plain_call_is_a_call_with_the_defaults(name):
    pipeline, defaults = zoo.load(name), zoo.find(name).call_defaults
    shown = inspect.signature(pipeline.__call__).parameters
    assert {key: shown[key].default for key in defaults} == defaults

    def outputs(*args, **given):
        found = pipeline(*args, generator=torch.Generator().manual_seed(0), output_type="np", **given)
        return found["frames" if zoo.find(name).moving else "images"]

    few = {"num_inference_steps": 2}
    plain = outputs("fox", **few)
    assert plain.shape[-3:] == (48, 48, 3)
    assert (plain == outputs(prompt=["fox"], **{**defaults, **few})).all()
    assert (plain != outputs("fox", **few, guidance_scale=5.0)).any()  # what is given wins


def test_a_saved_pipeline_is_one_of_diffusers_alone(emoji, tmp_path):
    assert type(pickle.loads(pickle.dumps(emoji))) is type(emoji)
    emoji.save_pretrained(tmp_path)
    assert type(DiffusionPipeline.from_pretrained(tmp_path)) is diffusers.PixArtAlphaPipeline
    assert isinstance(emoji, diffusers.PixArtAlphaPipeline)


def test_dtype_is_taken():
    pipeline = zoo.load(dtype=torch.bfloat16)
    assert pipeline.transformer.dtype == pipeline.text_encoder.dtype == torch.bfloat16


def test_weights_fit_the_budget():
    folder = zoo.find().folder.parent

    def size(*names: str) -> int:
        return sum(path.stat().st_size for name in names for path in (folder / name).rglob("*") if path.is_file())

    assert size("emoji", "judge") <= 25e6
    assert size("emoji-unet", "emoji-motion") <= 25e6
    assert size("video-judge") <= 2.5e6


def test_no_word_of_a_caption_is_unknown(emoji):
    from evocache.zoo.prompts import BACKGROUNDS, CLASSES, caption

    captions = [caption(name, ground, template) for name in CLASSES for ground in BACKGROUNDS for template in range(3)]
    tokens = emoji.tokenizer(captions)["input_ids"]
    assert emoji.tokenizer.unk_token_id not in {token for row in tokens for token in row}
    assert max(map(len, tokens)) <= zoo.find().call_defaults["max_sequence_length"]

import subprocess
import sys

import pytest
import torch

from evocache import zoo
from evocache.errors import ZooError


def test_names_and_short_form():
    assert zoo.names() == ("zoo:emoji",)
    assert zoo.find("emoji") is zoo.find("zoo:emoji")


def test_unknown_name_lists_what_exists():
    with pytest.raises(ZooError, match="zoo:emoji"):
        zoo.load("zoo:photos")


def test_import_is_light_and_load_is_silent_offline():
    script = (
        "import sys, evocache.zoo, evocache.zoo.prompts\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "evocache.zoo.load('zoo:emoji')\n"
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


def test_dtype_is_taken():
    pipeline = zoo.load(dtype=torch.bfloat16)
    assert pipeline.transformer.dtype == pipeline.text_encoder.dtype == torch.bfloat16


def test_weights_fit_the_budget():
    folder = zoo.find().folder.parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 25e6


def test_no_word_of_a_caption_is_unknown(emoji):
    from evocache.zoo.prompts import BACKGROUNDS, CLASSES, caption

    captions = [caption(name, ground, template) for name in CLASSES for ground in BACKGROUNDS for template in range(3)]
    tokens = emoji.tokenizer(captions)["input_ids"]
    assert emoji.tokenizer.unk_token_id not in {token for row in tokens for token in row}
    assert max(map(len, tokens)) <= zoo.find().call_defaults["max_sequence_length"]

"""CLIP scores of a tiny random model, saved and loaded as real ones are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from evocache.metrics import MetricError
from evocache.metrics.clip_score import ClipScore
from tests.tiny.tokenizers import clip_tokenizer

MEAN, DEVIATION = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
SIDE = 32
PROMPTS = ["a fox", "two red foxes", "a very long story of foxes that no model reads to its end"]


def processor(side: int = SIDE):
    import transformers

    kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    return kind(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=list(MEAN),
        image_std=list(DEVIATION),
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> str:
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokenizer = clip_tokenizer()
    text = {
        **tower,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 12,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text, vision_config={**tower, "image_size": SIDE, "patch_size": 8}, projection_dim=8
    )
    path = tmp_path_factory.mktemp("clip")
    for part in (CLIPModel(config), tokenizer, processor()):
        part.save_pretrained(path)
    return str(path)


@pytest.fixture(scope="session")
def score(folder) -> ClipScore:
    return ClipScore.load(folder)


def images(n: int = 3, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(0).random((n, height, width, 3))


def by_hand(score: ClipScore, image: np.ndarray, prompt: str) -> float:
    """Resized, cropped and normalised here; logits from the model's own pairwise method, one pair at a time."""
    picture = Image.fromarray(np.round(image * 255).astype(np.uint8))
    width, height = picture.size
    picture = picture.resize((SIDE * width // min(picture.size), SIDE * height // min(picture.size)), Image.BICUBIC)
    left, top = ((s - SIDE) // 2 for s in picture.size)
    cropped = np.asarray(picture, dtype=np.float64)[top : top + SIDE, left : left + SIDE] / 255
    pixels = torch.tensor(((cropped - MEAN) / DEVIATION).transpose(2, 0, 1)[None], dtype=torch.float32)
    words = score.tokenizer([prompt], truncation=True, max_length=12, return_tensors="pt")
    with torch.no_grad():
        return float(score.model(**words, pixel_values=pixels).logits_per_image)


def test_equals_the_models_logits_pair_by_pair(score):
    found = score(images(), PROMPTS)
    assert found == pytest.approx([by_hand(score, i, p) for i, p in zip(images(), PROMPTS, strict=True)], rel=1e-4)
    assert len(set(found.round(3))) == 3
    assert (found.dtype, found.shape) == (np.float64, (3,))


def test_it_is_the_cosine_in_units_of_the_logit_scale(score):
    assert (np.abs(score(images(), PROMPTS)) <= float(score.model.logit_scale.exp())).all()


def test_what_stands_beside_a_pair_does_not_matter(score):
    many = images(20)
    prompts = [PROMPTS[i % 3] for i in range(20)]
    each = [score(many[i : i + 1], prompts[i : i + 1])[0] for i in range(20)]
    assert score(many, prompts) == pytest.approx(each, abs=1e-5)


def test_what_is_not_an_image_for_each_prompt_is_refused(score):
    for array, prompts in ((images(), PROMPTS[:2]), (images()[..., :1], PROMPTS), (images()[0], ["a fox"])):
        with pytest.raises(MetricError):
            score(array, prompts)


def test_what_is_no_clip_model_is_refused(tmp_path):
    with pytest.raises(MetricError, match="preprocessor_config"):
        ClipScore.load(str(tmp_path))
    with pytest.raises(MetricError, match="no/such-model"):
        ClipScore.load("no/such-model")

"""ImageReward through a stand-in for its package: what we hand over, and what we make of the answer."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from PIL import Image

from evocache.metrics import MetricError
from evocache.metrics.image_reward import ImageReward


class Package(types.ModuleType):
    """Scores a picture by its mean red, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__("ImageReward")
        self.loaded: list[tuple[str, str]] = []
        self.asked: list[tuple[str, Image.Image]] = []

    def available_models(self) -> list[str]:
        return ["ImageReward-v1.0"]

    def load(self, name: str, device: str = "cpu"):
        if name not in self.available_models():
            raise RuntimeError(f"Model {name} not found")
        self.loaded.append((name, device))
        return self

    def score(self, prompt: str, image: Image.Image) -> float:
        assert isinstance(prompt, str)
        self.asked.append((prompt, image))
        return float(np.asarray(image)[..., 0].mean())


@pytest.fixture
def package(monkeypatch) -> Package:
    made = Package()
    monkeypatch.setitem(sys.modules, "ImageReward", made)
    return made


def test_every_image_is_handed_over_with_its_prompt(package):
    images = np.zeros((2, 4, 6, 3))
    images[1, ..., 0] = 0.2
    reward = ImageReward.load("ImageReward-v1.0", device="cpu")
    assert reward(images, ["a", "b"]).tolist() == [0.0, 51.0]
    assert package.loaded == [("ImageReward-v1.0", "cpu")]
    assert [(prompt, image.size, image.mode) for prompt, image in package.asked] == [
        ("a", (6, 4), "RGB"),
        ("b", (6, 4), "RGB"),
    ]
    with pytest.raises(MetricError, match="1 prompts"):
        reward(images, ["a"])


def test_an_unknown_model_names_the_known(package):
    with pytest.raises(MetricError, match=r"Model v9 not found.*ImageReward-v1\.0"):
        ImageReward.load("v9")


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ImageReward", None)
    with pytest.raises(MetricError, match="pip install image-reward"):
        ImageReward.load()

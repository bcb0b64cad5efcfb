from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evocache import zoo
from evocache.zoo.judge import Judge


@pytest.fixture(scope="session")
def emoji():
    return zoo.load("zoo:emoji")


@pytest.fixture(scope="session")
def judge() -> Judge:
    return Judge.load()


@pytest.fixture(scope="session")
def renderings() -> tuple[NDArray[np.float32], list[str]]:
    """Real renderings (40, 48, 48, 3) in [0, 1] and their prompts, made by training/fixture.py."""
    stored = np.load(Path(__file__).parent / "renderings.npz")
    return stored["images"].astype(np.float32) / 255, [str(prompt) for prompt in stored["prompts"]]

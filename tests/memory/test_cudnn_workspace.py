"""Where workspaces cannot be told, it is said."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evocache.memory.cudnn_workspace import unforeseen


@pytest.fixture
def exact(monkeypatch):
    """Convolutions without TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def block(dtype=torch.float32):
    return nn.Sequential(nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4)).to(dtype)


def test_exact_convolutions_on_a_gpu_are_told_with_the_mend(exact):
    assert "allow_tf32 = True" in unforeseen("cuda", [nn.Linear(4, 4), block()])


def test_nothing_is_told_of_what_is_known(exact):
    assert unforeseen("cpu", [block()]) is None
    assert unforeseen("cuda", [block(torch.bfloat16), block(torch.float16)]) is None
    assert unforeseen("cuda", [nn.Linear(4, 4)]) is None


def test_tensor_cores_are_pytorchs_default():
    assert unforeseen("cuda", [block()]) is None

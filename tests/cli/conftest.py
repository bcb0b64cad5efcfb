import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from typer.testing import CliRunner

from evocache import zoo
from evocache.cli.app import app
from tests.tiny import FAMILIES


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> str:
    """A tiny PixArt pipeline with random weights, saved as users save theirs."""
    path = tmp_path_factory.mktemp("pixart")
    FAMILIES["pixart"].build().save_pretrained(path)
    return str(path)


@pytest.fixture(scope="session")
def unet_folder(tmp_path_factory) -> str:
    """Stable Diffusion with a U-Net of two levels, so that it is soon planned."""
    path = tmp_path_factory.mktemp("sd15")
    pipe = FAMILIES["sd15"].build()
    pipe.register_modules(
        unet=UNet2DConditionModel(
            sample_size=16,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            block_out_channels=(8, 16),
            cross_attention_dim=32,
            attention_head_dim=2,
            norm_num_groups=4,
        )
    )
    pipe.save_pretrained(path)
    return str(path)


@pytest.fixture
def run(monkeypatch):
    """`run("policies", "--json")`: exit code, stdout and stderr, in a terminal of 120 columns."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")

    def call(*arguments: object):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def refused(run):
    """A call that must fail as a user's error: a short message on stderr, exit code 2, nothing on stdout."""

    def call(*arguments: object) -> str:
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        words = result.stderr.split()
        assert [words.count(part) >= 1 for part in ("error", "why", "try")] == [True] * 3
        return " ".join(words)

    return call


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_call(pipe: Any, **defaults: object) -> Any:
    """The pipeline, whose calls have these arguments where they are given no others."""
    plain = type(pipe)

    @functools.wraps(plain.__call__)
    def call(self: Any, *given: Any, **named: Any) -> Any:
        return plain.__call__(self, *given, **{**defaults, **named})

    pipe.__class__ = type(plain.__name__, (plain,), {"__call__": call, "__module__": plain.__module__})
    return pipe


def weights() -> Path:
    """The embedded model, or a skip."""
    found = zoo.find().folder
    if not (found / "model_index.json").is_file():
        pytest.skip("the weights of zoo:emoji are not there")
    return found

"""What a tiny pipeline is, and how its random weights are made worth testing with."""

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import PIL.Image
import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from transformers import PreTrainedTokenizerBase

PROMPT = "a red fox"
NEGATIVE = "blurry"

KNOWN_WARNINGS = (
    # diffusers' Euler and DPM solvers convert tensors to arrays in a way that NumPy 2 deprecates.
    r"__array__ implementation doesn't accept a copy keyword",
    # Mochi's rotary positions ask for autocast to float32, which the CPU does not know and does not need.
    r"In CPU autocast, but the target dtype is not supported",
    # Kandinsky 2.2's combined pipeline hands its own deprecated arguments on, whether given or not.
    r"`callback(_steps)?` is deprecated",
)
"""Patterns of third-party warnings that cannot be avoided."""

Build = Callable[[], DiffusionPipeline]
Call = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Tiny:
    """A family of pipelines, as an instance with random weights that runs in about a second on one core."""

    name: str
    build: Build
    """Deterministic: same weights every time; float32, eval mode, no progress bar."""
    call: Call
    """`call(pipe, seed=0, steps=4, guidance=True, **extra)`: the decoded output, floats in [0, 1]."""
    denoisers: tuple[str, ...]
    kind: str
    """`dit` or `unet`."""
    calls_per_step: int
    """Denoiser calls per scheduler step with guidance: 1 batched (or embedded), 2 sequential."""
    blocks: int
    """Transformer blocks of all lists together; 0 for a U-Net."""
    block_lists: tuple[str, ...] = ()
    """Paths from the pipeline to the lists of blocks, such as `transformer.blocks`."""


def seeded(assemble: Build) -> Build:
    """Turn a function that assembles a pipeline into a `Tiny.build`."""

    @wraps(assemble)
    def build() -> DiffusionPipeline:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            pipe = assemble()
            for module in modules_of(pipe):
                wake(module.eval())
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return build


def wake(module: torch.nn.Module, std: float = 0.1) -> None:
    """Draw every all-zero parameter anew, from the global generator.

    Zero-initialised output layers and gates are right for training, but here they would hide whatever a block
    computes, and a test of caching could not fail.
    """
    for parameter in module.parameters():
        if parameter.numel() and not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=std)


def modules_of(pipe: DiffusionPipeline) -> Iterator[torch.nn.Module]:
    """The components with weights, in the order of the pipeline's signature."""
    return (part for part in pipe.components.values() if isinstance(part, torch.nn.Module))


def caller(on: dict[str, Any], off: dict[str, Any], **fixed: Any) -> Call:
    """Make a `Tiny.call` from the arguments that switch guidance on and off, and those that never change."""

    def call(pipe: DiffusionPipeline, seed: int = 0, steps: int = 4, guidance: bool = True, **extra: Any) -> np.ndarray:
        settings = {
            "num_inference_steps": steps,
            "generator": torch.Generator("cpu").manual_seed(seed),
            "output_type": "np",
            **fixed,
            **(on if guidance else off),
            **extra,
        }
        return np.asarray(pipe(**settings)[0], dtype=np.float32)

    return call


def picture() -> PIL.Image.Image:
    """A picture to start from: two colour ramps."""
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    return PIL.Image.fromarray(np.stack([red, green, 255 - red], axis=-1))


def share(pipe: DiffusionPipeline) -> DiffusionPipeline:
    """A second pipeline of the same class on the same modules, but with schedulers and tokenizers of its own.

    Both change while they are used (tokenizers keep how the latest call pads), so threads must not share them.
    """
    accepted = inspect.signature(type(pipe).__init__).parameters
    options = {key: value for key, value in pipe.config.items() if key in accepted}
    parts = {key: _own(part) for key, part in pipe.components.items()}
    twin = type(pipe)(**{**options, **parts})
    twin.set_progress_bar_config(disable=True)
    return twin


def _own(part: Any) -> Any:
    """What a second pipeline uses in a part's place."""
    if isinstance(part, SchedulerMixin):
        return type(part).from_config(part.config)
    return copy.deepcopy(part) if isinstance(part, PreTrainedTokenizerBase) else part

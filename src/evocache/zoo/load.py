"""The embedded models by name, loaded through ordinary diffusers classes, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evocache.errors import ZooError
from evocache.zoo import motions, prompts

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

    from evocache.zoo.judge import Judge
    from evocache.zoo.video_judge import VideoJudge

_ROOT = Path(__file__).parent
_WEIGHTS = _ROOT / "weights"


@dataclass(frozen=True)
class Zoo:
    """An embedded model: where it lies, and what to pass to its call unless the user says else."""

    name: str
    folder: Path
    call_defaults: Mapping[str, Any]
    #: The module that trains it, for `python -m`.
    training: str
    #: What was measured of it, written by its training.
    figures_file: Path
    #: The model that lends the parts that its own folder does not hold.
    base: str | None = None
    moving: bool = False

    @property
    def front(self) -> Path:
        """The front that was evolved for it, a file for `Front.load` and `evocache generate --schedule`."""
        return self.folder / "front.json"

    @property
    def is_there(self) -> bool:
        """Whether its weights, and those of its base, are installed."""
        own = (self.folder / "model_index.json").is_file()
        return own and (self.base is None or find(self.base).is_there)

    @property
    def demo_prompts(self) -> tuple[str, ...]:
        """A few prompts of different kinds."""
        return motions.DEMO_PROMPTS if self.moving else prompts.DEMO_PROMPTS

    @property
    def figures(self) -> dict[str, Any]:
        """What was measured of it; empty before it is trained."""
        if not self.figures_file.is_file():
            return {}
        found: dict[str, Any] = json.loads(self.figures_file.read_text(encoding="utf-8"))
        return found

    def judge(self) -> Judge | VideoJudge:
        """The network that tells whether its pictures or videos show what was asked for.

        Raises:
            ZooError: if its weights are not there.
        """
        from evocache.zoo.judge import Judge
        from evocache.zoo.video_judge import VideoJudge

        return VideoJudge.load() if self.moving else Judge.load()

    def sample_prompts(self, n: int, seed: int, held_out: bool = False) -> list[str]:
        """Draw n prompts in its vocabulary, of combinations never trained on if `held_out`."""
        sample = motions.sample_prompts if self.moving else prompts.sample_prompts
        return sample(n, seed, held_out)


_SIZE = {"height": 48, "width": 48}

_MODELS = (
    Zoo(
        name="zoo:emoji",
        folder=_WEIGHTS / "emoji",
        call_defaults=MappingProxyType(
            {
                "num_inference_steps": 20,
                "guidance_scale": 2.5,
                **_SIZE,
                # The pipeline's bins and caption cleaning are made for other models.
                "use_resolution_binning": False,
                "clean_caption": False,
                # The longest training caption has 12 tokens; padding is masked.
                "max_sequence_length": 16,
            }
        ),
        training="training.emoji",
        figures_file=_ROOT / "figures.json",
    ),
    Zoo(
        name="zoo:emoji-unet",
        folder=_WEIGHTS / "emoji-unet",
        call_defaults=MappingProxyType({"num_inference_steps": 20, "guidance_scale": 2.5, **_SIZE}),
        training="training.emoji_unet",
        figures_file=_ROOT / "figures-unet.json",
        base="zoo:emoji",
    ),
    Zoo(
        name="zoo:emoji-motion",
        folder=_WEIGHTS / "emoji-motion",
        call_defaults=MappingProxyType(
            {"num_inference_steps": 20, "guidance_scale": 2.5, **_SIZE, "num_frames": motions.FRAMES}
        ),
        training="training.emoji_motion",
        figures_file=_ROOT / "figures-motion.json",
        base="zoo:emoji-unet",
        moving=True,
    ),
)


def names() -> tuple[str, ...]:
    """Names of the embedded models whose weights are there."""
    return tuple(model.name for model in _MODELS if model.is_there)


def find(name: str = "zoo:emoji") -> Zoo:
    """The entry of a model, be its weights there or not; the prefix `zoo:` may be left out."""
    for model in _MODELS:
        if name in (model.name, model.name.removeprefix("zoo:")):
            return model
    raise ZooError(
        given=f"the zoo model {name!r}",
        expected=f"one of {', '.join(names())}",
        mend="write one of these names, or load other models with diffusers",
    )


@contextmanager
def no_bars() -> Iterator[None]:
    """Within the context diffusers and transformers draw no progress bars; imports them."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    hosts = [host for host in (diffusers_logging, transformers_logging) if host.is_progress_bar_enabled()]
    for host in hosts:
        host.disable_progress_bar()
    try:
        yield
    finally:
        for host in hosts:
            host.enable_progress_bar()


@contextmanager
def _silent() -> Iterator[None]:
    """Within the context diffusers and transformers log errors only.

    A motion U-Net warns of modules to be kept in float32, of which it has none; image processors, which
    the pipelines import and do not use here, warn of a faster form of themselves.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    hosts = [(host, host.get_verbosity()) for host in (diffusers_logging, transformers_logging)]
    for host, _ in hosts:
        host.set_verbosity_error()
    try:
        yield
    finally:
        for host, before in hosts:
            host.set_verbosity(before)


def load(name: str = "zoo:emoji", *, dtype: torch.dtype | None = None) -> DiffusionPipeline:
    """Load the pipeline of an embedded model on the CPU; `load("zoo:emoji")("fox").images[0]` is a picture.

    It is of a diffusers class whose call has the defaults that fit the model, `find(name).call_defaults`.
    `dtype` is that of the loaded weights, float32 by default (they are stored in float16).

    Raises:
        ZooError: if there is no such model, or its weights are not there.
    """
    import torch

    model = find(name)
    if not model.is_there:
        raise ZooError(
            given=f"{model.name} without weights in {model.folder}",
            expected="the folder of a diffusers pipeline",
            mend=f"install the package again, or train the model: python -m {model.training}",
        )
    with no_bars(), _silent():  # bars would outlast the load of 20 MB
        from evocache.zoo import pipelines

        of_model = getattr(pipelines, json.loads((model.folder / "model_index.json").read_text())["_class_name"])
        pipeline: DiffusionPipeline = of_model.from_pretrained(model.folder, local_files_only=True, **_borrowed(model))
    # As an argument of from_pretrained its name would differ between versions of diffusers, and
    # the pipeline's own `to` warns of modules to be kept in float32, of which there are none.
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            torch.nn.Module.to(module, dtype or torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _borrowed(model: Zoo) -> dict[str, Any]:
    """The parts that the folder of a model does not hold, from the nearest base that does."""
    parts: dict[str, Any] = {}
    for part in _index(model):
        lender = model
        while not (lender.folder / part).is_dir() and lender.base:
            lender = find(lender.base)
        if lender is not model:
            library, kind = _index(lender)[part]
            parts[part] = getattr(import_module(library), kind).from_pretrained(
                lender.folder / part, local_files_only=True
            )
    return parts


def _index(model: Zoo) -> dict[str, tuple[str, str]]:
    """Library and class of each part of a pipeline that is not empty."""
    stored = json.loads((model.folder / "model_index.json").read_text(encoding="utf-8"))
    return {part: tuple(value) for part, value in stored.items() if isinstance(value, list) and value[0]}

"""A pipeline class as a row: tiny parts that it shares with its family, and a call."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import diffusers
import numpy as np
import PIL.Image
import torch
from diffusers import DiffusionPipeline

from tests.matrix import RECIPES
from tests.matrix.loop import draw
from tests.tiny.base import seeded

STEPS = 4

Parts = dict[str, Any]
"""Components and options of a pipeline, by the names of its constructor's arguments."""


def no_parts() -> Parts:
    """Nothing of a row's own."""
    return {}


@dataclass(frozen=True)
class Row:
    """A pipeline class, built tiny.

    Attributes:
        pipeline: its name.
        build: makes the pipeline.
        arguments: makes what it is called with.
        variant: what tells this row from others of the same class: a scheduler, an adapter.
        late: how many of the first steps it leaves out, as pipelines from pictures do.
        steps: the step of each denoiser call, where not every step of the scheduler begins another.
        anew: numbers of denoiser calls that compute everything since inner shapes change, though the latents' do not.
        warns: what it is warned about.
        fault: what is still wrong with its caching; the row must fail until it is mended.
    """

    pipeline: str
    build: Callable[[], DiffusionPipeline]
    arguments: Callable[[], dict[str, Any]]
    variant: str = ""
    late: int = 0
    steps: tuple[int, ...] = ()
    anew: tuple[int, ...] = ()
    warns: str = ""
    fault: str = ""

    @property
    def name(self) -> str:
        """The class, and what is special about the row."""
        return f"{self.pipeline}-{self.variant}" if self.variant else self.pipeline

    def run(self, pipe: Any, seed: int = 0) -> np.ndarray:
        """All numbers of the pipeline's output."""
        torch.manual_seed(seed)  # some draw from the global generator
        pipe_arguments = self.arguments()
        accepted = inspect.signature(type(pipe).__call__).parameters
        if "generator" in accepted:
            pipe_arguments["generator"] = torch.Generator("cpu").manual_seed(seed)
        return numbers(pipe(**pipe_arguments))


class Kit:
    """What the pipelines of a family share.

    Args:
        parts: makes components and options; they are made once, and all pipelines of the family hold the same.
        call: arguments; each pipeline is given those that it takes.
    """

    def __init__(self, parts: Callable[[], Parts], call: Mapping[str, Any]) -> None:
        self.parts = functools.cache(parts)
        self.call = {"num_inference_steps": STEPS, "output_type": "np", **call}

    def row(
        self,
        pipeline: str,
        call: Mapping[str, Any] | None = None,
        *,
        parts: Callable[[], Parts] = no_parts,
        without: tuple[str, ...] = (),
        after: Callable[[Any], None] | None = None,
        module: str = "diffusers",
        within: Callable[[], AbstractContextManager[Any]] = nullcontext,
        **about: Any,
    ) -> Row:
        """A row.

        Args:
            pipeline: the class.
            call: arguments besides those of the family.
            parts: parts besides those of the family.
            without: arguments of the family that are left out.
            after: what is done to the built pipeline.
            module: where the class is.
            within: what holds while it is built, such as a class put where a package is missing.
            about: attributes of the row.
        """
        own = dict(call or {})

        @seeded
        def build() -> DiffusionPipeline:
            with within():
                pipe = assembled(getattr(importlib.import_module(module), pipeline), {**self.parts(), **parts()})
            if after:
                after(pipe)
            return pipe

        def arguments() -> dict[str, Any]:
            cls = getattr(importlib.import_module(module), pipeline)
            accepted = inspect.signature(cls.__call__).parameters
            assert own.keys() <= accepted.keys(), f"{pipeline} takes no {own.keys() - accepted.keys()}"
            common = {k: v for k, v in self.call.items() if k in accepted and k not in without}
            return {**common, **own}

        return Row(pipeline, build, arguments, **about)


def assembled(cls: type[DiffusionPipeline], parts: Parts) -> DiffusionPipeline:
    """A pipeline of those parts that it takes; what else it needs is None: safety checkers, feature extractors."""
    wanted = list(inspect.signature(cls.__init__).parameters.values())[1:]
    needed = {p.name: None for p in wanted if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    taken = {p.name: parts[p.name] for p in wanted if p.name in parts}
    return cls(**{**needed, **taken})


def numbers(output: Any) -> np.ndarray:
    """All numbers of an output, one after the other."""
    if isinstance(output, torch.Tensor):
        return output.detach().float().numpy().ravel()
    if isinstance(output, PIL.Image.Image):
        return np.asarray(output, dtype=np.float32).ravel()
    if isinstance(output, np.ndarray):
        return output.astype(np.float32).ravel()
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        found = [numbers(part) for part in output]
        return np.concatenate(found) if found else np.zeros(0, np.float32)
    if hasattr(output, "vertices") and hasattr(output, "verts"):
        output = output.verts
    return np.zeros(0, np.float32)


def denoiser(name: str, **changes: Any) -> torch.nn.Module:
    """A denoiser of the matrix, with some of its configuration changed."""
    recipe = RECIPES[name]
    module = recipe.denoiser(**{**recipe.config, **changes})
    for parameter in module.parameters():
        draw(parameter)  # some classes leave theirs uninitialised
    return module


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what diffusers notes about it, to be changed."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def of(scheduler: str, **config: Any) -> Callable[[], Parts]:
    """A scheduler of diffusers, as a part."""
    return lambda: {"scheduler": getattr(diffusers, scheduler)(**config)}

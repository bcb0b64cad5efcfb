"""What is measured of which pipeline: rows, and how the pipelines are built with random weights, full size or tiny."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.memory.models import MODELS, FullSize
from tests.tiny.base import picture
from tests.tiny.video_dit import build_cogvideox, build_wan
from tests.tiny.video_unet import build_animatediff, build_svd, build_text_to_video_sd

LEAST = "the least"
"""The budget of rows that are given as little as can be met."""

TIGHT = 0.85
"""A tiny pipeline's budget, as a share of what it holds as it is."""


@dataclass(frozen=True)
class Row:
    """A way of running a pipeline.

    Attributes:
        spec: our policy; None for the untouched pipeline, and under DeepCache's helper.
        budget: GB of a full-size pipeline, or `LEAST`; None for no limit.
        helper: the interval of DeepCache's helper; 0 where it is not used.
        once: whether it is generated once only, after the rounds, if time is left.
    """

    spec: str | None = None
    budget: float | str | None = None
    helper: int = 0
    once: bool = False

    @property
    def name(self) -> str:
        """What the row is called."""
        if self.helper:
            return f"DeepCache's helper, {self.helper}"
        within = {None: "", LEAST: f", {LEAST}"}.get(self.budget, f" within {self.budget} GB")  # type: ignore[arg-type]
        return (self.spec or "untouched") + within


@dataclass(frozen=True)
class Case:
    """A pipeline, its call, and rows.

    Attributes:
        full: the pipeline in full size.
        rows: the untouched pipeline first; a row with a budget after the one of the same policy without.
        call: arguments that differ from those of the full-size estimate.
        build: builds a tiny pipeline of the same class.
        small: arguments of the tiny one's call, besides the prompt.
    """

    full: FullSize
    rows: tuple[Row, ...]
    build: Callable[[], Any]
    small: Mapping[str, Any]
    call: Mapping[str, Any] = field(default_factory=dict)

    def pipeline(self, device: str, *, tiny: bool) -> Any:
        """The pipeline with random weights, drawn as its modules draw them, in the type of the published ones.

        Weights are made in float32 and converted, as loading them would: tables that modules compute are right then.
        """
        if tiny:
            pipe = self.build().to(device)
        elif device == "meta":
            pipe = self.full.build()
        else:
            torch.manual_seed(0)
            pipe = self.full.build(device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def arguments(self, *, tiny: bool) -> dict[str, Any]:
        """Arguments of the call, but for the seed."""
        given = {**self.full.call, **self.call}
        if tiny:
            given = {**given, **self.small, "num_inference_steps": min(given["num_inference_steps"], 6)}
            if "image" in given:
                given["image"] = picture()
        return {**given, "output_type": "pt", "return_dict": False}


def budgeted(*specs: str, within: float | None = None, once: bool = False) -> Iterator[Row]:
    """Rows of policies, without a limit and within one."""
    for spec in specs:
        yield Row(spec, once=once)
        if within is not None:
            yield Row(spec, within, once=once)


_SMALL = {"height": 32, "width": 32, "num_frames": 6}

CASES: dict[str, Case] = {
    "animatediff": Case(
        MODELS["AnimateDiff-Lightning 512x512x16"],
        (
            Row(),
            *budgeted("deepcache:2", "deepcache:4", within=4.9),
            Row(helper=2),
            Row("deepcache:2", LEAST, once=True),
        ),
        build_animatediff,
        _SMALL,
    ),
    "svd": Case(
        MODELS["SVD-XT 1024x576x25"],
        (
            Row(),
            *budgeted("deepcache:5", "deepcache:13", within=9.8),
            Row(helper=5, once=True),
            Row("deepcache:5", LEAST, once=True),
        ),
        build_svd,
        {**_SMALL, "decode_chunk_size": 2},
    ),
    "text-to-video-sd": Case(
        MODELS["text-to-video-SD 256x256x16"],
        (Row(), *budgeted("deepcache:3", within=4.7), Row(helper=3), Row("deepcache:3", LEAST, once=True)),
        build_text_to_video_sd,
        _SMALL,
    ),
    "wan": Case(
        MODELS["Wan2.1-1.3B 832x480x81"],
        (Row(), *budgeted("fora:2", within=24.0)),
        build_wan,
        {**_SMALL, "num_frames": 9, "max_sequence_length": 16},
        {"num_inference_steps": 6},
    ),
    "cogvideox": Case(
        MODELS["CogVideoX-5B 720x480x49"],
        (Row(), *budgeted("fora:2", within=24.0)),
        build_cogvideox,
        {**_SMALL, "num_frames": 9, "max_sequence_length": 16},
        {"num_inference_steps": 4},
    ),
}
"""Cases by name. Budgets leave room for what is not planned: the library that multiplies matrices keeps some memory,
and blocks are rounded up."""


@contextmanager
def helped(pipe: Any, interval: int) -> Iterator[None]:
    """Within the context DeepCache's helper caches, below the shallowest skip connection.

    It leaves the forwards that it wrapped behind as attributes of the instances; they are taken off.
    """
    from DeepCache import DeepCacheSDHelper  # type: ignore[import-not-found,unused-ignore]

    before = {module: module.__dict__.get("forward") for module in pipe.unet.modules()}
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=interval, cache_branch_id=0)
    try:
        helper.enable()
        yield
    finally:
        helper.cached_output = {}
        for module, own in before.items():
            if own is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = own

"""The caches that diffusers brings, through `enable_cache`.

The denoisers of PixArt and Stable Diffusion have no `enable_cache` of their own and their pipelines open no
`cache_context`. Both are given to them as diffusers' other models have them: the denoiser gets `CacheMixin` as a base
class while a cache is on, and the call of the pipeline is wrapped in one context (guidance is in the batch, so there is
one call a step). Pipelines reset the caches of any denoiser that has the mixin at the end of their call.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import fields
from typing import Any

import torch
from diffusers import (
    FasterCacheConfig,
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)
from diffusers.models.cache_utils import CacheMixin

from benchmarks.peers.contender import STEPS, Contender, Session

LAYERS = [r"transformer_blocks\.\d+\.(attn1|attn2|ff)"]
"""The layers that TaylorSeer's paper forecasts. The package's own default matches names that end in `attn`, and so
none of PixArt's."""

THRESHOLDS = (0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.6)
"""Of FirstBlockCache."""

MAGNITUDES = (
    (0.03, 2, 0.2),
    (0.06, 3, 0.2),
    (0.12, 3, 0.2),
    (0.24, 4, 0.2),
    (0.5, 5, 0.2),
    (0.24, 4, 0.1),
    (0.6, 6, 0.1),
)
"""Of MagCache: threshold, most steps skipped in a row, share of steps at the beginning that are never skipped."""

BROADCASTS = ((2, 2, (100, 800)), (2, 4, (100, 800)), (3, 6, (100, 850)), (2, 5, (0, 950)), (4, 6, (0, 950)))
"""Of PyramidAttentionBroadcast: intervals of self-attention and of cross-attention, range of timesteps."""

TAYLOR = ((2, 1, 3), (3, 0, 3), (3, 1, 2), (3, 1, 3), (3, 2, 3), (4, 1, 3), (5, 1, 2), (7, 1, 2))
"""Of TaylorSeer: interval, order (0 is reuse), steps at the beginning that are all computed."""

FASTER = ((2, 5, (-1, 681)), (2, 2, (-1, 901)), (2, 5, (-1, 901)), (3, 10, (-1, 901)))
"""Of FasterCache: interval of attention and of the unconditional half, range of timesteps."""


def contenders(ratios: Sequence[float]) -> list[Contender]:
    """Every cache at several strengths; `ratios` are MagCache's calibrated ratios of magnitudes."""
    return [*_first_block(), *_magnitude(ratios), *_broadcast(), *_taylor(False), *_taylor(True), *_faster()]


def calibrate_magnitudes(pipe: Any, generate: Callable[[], object]) -> list[float]:
    """MagCache's ratios for a pipeline, as its documentation says: a generation in calibration mode prints them."""
    printed = io.StringIO()
    calibrating = enabled(MagCacheConfig, {"num_inference_steps": STEPS, "calibrate": True})
    with calibrating(pipe) as session, redirect_stdout(printed), session.around():
        generate()
    lists = re.findall(r"^\[.*\d\]$", printed.getvalue(), flags=re.MULTILINE)
    ratios: list[float] = ast.literal_eval(lists[-1])
    return ratios


def _first_block() -> list[Contender]:
    family = "diffusers FirstBlockCache"
    return [_contender(family, f"{t}", FirstBlockCacheConfig, {"threshold": t}) for t in THRESHOLDS]


def _magnitude(ratios: Sequence[float]) -> list[Contender]:
    found = []
    for threshold, most, share in MAGNITUDES:
        settings = {"threshold": threshold, "max_skip_steps": most, "retention_ratio": share}
        given = {"num_inference_steps": STEPS, "mag_ratios": list(ratios)}
        name = f"{threshold}, at most {most}, first {share}"
        found.append(_contender("diffusers MagCache", name, MagCacheConfig, settings, given))
    return found


def _broadcast() -> list[Contender]:
    found = []
    for spatial, cross, span in BROADCASTS:
        settings = {
            "spatial_attention_block_skip_range": spatial,
            "cross_attention_block_skip_range": cross,
            "spatial_attention_timestep_skip_range": span,
            "cross_attention_timestep_skip_range": span,
        }
        name = f"{spatial}/{cross} in {span[0]}-{span[1]}"
        found.append(_contender("diffusers PyramidAttentionBroadcast", name, PyramidAttentionBroadcastConfig, settings))
    return found


def _taylor(lite: bool) -> list[Contender]:
    family = "diffusers TaylorSeer lite" if lite else "diffusers TaylorSeer"
    found = []
    for interval, order, first in TAYLOR:
        settings: dict[str, Any] = {
            "cache_interval": interval,
            "max_order": order,
            "disable_cache_before_step": first,
            "use_lite_mode": lite,
        }
        if not lite:
            settings["cache_identifiers"] = LAYERS
        name = f"{interval}, order {order}, first {first}"
        given = {"taylor_factors_dtype": torch.float32}
        found.append(_contender(family, name, TaylorSeerCacheConfig, settings, given))
    if not lite:
        found.append(_contender(family, "3, its own patterns", TaylorSeerCacheConfig, {"cache_interval": 3}))
    return found


def _faster() -> list[Contender]:
    found = []
    for attention, unconditional, span in FASTER:
        settings = {
            "spatial_attention_block_skip_range": attention,
            "unconditional_batch_skip_range": unconditional,
            "spatial_attention_timestep_skip_range": span,
            "unconditional_batch_timestep_skip_range": span,
            "tensor_format": "BCHW",
        }
        given = {"attention_weight_callback": lambda module: 0.5}  # its default, without its warning
        name = f"{attention}/{unconditional} in {span[0]}-{span[1]}"
        found.append(_contender("diffusers FasterCache", name, FasterCacheConfig, settings, given))
    return found


def _contender(
    family: str, name: str, kind: Any, settings: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Contender:
    """A cache with settings that are recorded, and others that it is given besides."""
    on = enabled(kind, {**settings, **(given or {})})
    return Contender(f"{family.removeprefix('diffusers ')} {name}", family, on, settings)


def enabled(kind: Any, settings: Mapping[str, Any]) -> Callable[[Any], AbstractContextManager[Session]]:
    """A way of putting a cache on a pipeline; one that asks for the current timestep is told it."""
    asks = "current_timestep_callback" in {field.name for field in fields(kind)}

    @contextmanager
    def on(pipe: Any) -> Iterator[Session]:
        denoiser = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
        plain = denoiser.__class__
        timestep = [0]

        def seen(module: Any, args: Any, kwargs: Any) -> None:
            own = getattr(pipe, "current_timestep", None)  # what FLUX.1's denoiser is given is a share of 1000
            given = kwargs["timestep"] if "timestep" in kwargs else args[1]
            timestep[0] = int(given.flatten()[0] if own is None else own)

        config = kind(**settings, **({"current_timestep_callback": lambda: timestep[0]} if asks else {}))
        if not isinstance(denoiser, CacheMixin):
            denoiser.__class__ = type(plain.__name__, (CacheMixin, plain), {})
        # Reading a timestep waits for the device: only a cache that asks for it pays for that, once a denoiser call.
        listener = denoiser.register_forward_pre_hook(seen, with_kwargs=True) if asks else None
        try:
            denoiser.enable_cache(config)
            yield Session(around=lambda: denoiser.cache_context("guided"), roots=lambda: _hooks(denoiser))
        finally:
            if listener is not None:
                listener.remove()
            if denoiser.is_cache_enabled:
                denoiser.disable_cache()
            denoiser.__class__ = plain

    return on


def _hooks(denoiser: torch.nn.Module) -> list[object]:
    registries = [getattr(module, "_diffusers_hook", None) for module in denoiser.modules()]
    return [hook for registry in registries if registry is not None for hook in registry.hooks.values()]

"""cache-dit's DBCache through `cache_dit.enable_cache`, which knows PixArt pipelines.

Fn is the number of blocks that always run and tell whether the rest may be skipped. Its default of 8 is all that the
model of this benchmark has, so 1 is taken, as its documentation does for the fastest setting, and 2 for comparison.
Warm-up is 3 of the 20 steps (its default is 8, made for 28 to 50 steps).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cache_dit  # type: ignore[import-untyped,unused-ignore]
from cache_dit import DBCacheConfig, TaylorSeerCalibratorConfig

from benchmarks.peers.contender import STEPS, Contender, Session
from benchmarks.peers.ours import MASKS

WARMUP = 3

DYNAMIC = (
    (1, 0.08, 3),
    (1, 0.1, 3),
    (1, 0.12, 3),
    (1, 0.18, 3),
    (1, 0.25, 4),
    (1, 0.5, 6),
    (1, 0.9, 9),
    (2, 0.12, 3),
    (2, 0.25, 4),
)
"""Fn, threshold of the residual's change, most steps cached in a row."""

POLICIES = ("slow", "medium", "fast", "ultra")
"""The masks that `cache_dit.steps_mask` knows by name."""

ORDERS = (0, 1, 2)
"""Of TaylorSeer; 0 is without. Order 2 takes part at its lighter strengths only: at others it diverges."""

LIGHT = 11
"""Least computed steps of a light mask."""

LIGHT_THRESHOLD = 0.18


def contenders() -> list[Contender]:
    """DBCache by threshold and by step mask, each with and without TaylorSeer."""
    found = []
    for order in ORDERS:
        family = f"cache-dit DBCache{f' + TaylorSeer {order}' if order else ''}"
        for blocks, threshold, most in DYNAMIC:
            if order == 2 and threshold > LIGHT_THRESHOLD:
                continue
            settings: dict[str, Any] = {
                "Fn_compute_blocks": blocks,
                "residual_diff_threshold": threshold,
                "max_continuous_cached_steps": most,
                "max_warmup_steps": WARMUP,
            }
            name = f"{family}, F{blocks} {threshold}, at most {most}"
            found.append(Contender(name, family, enabled(settings, order), {**settings, "order": order}))
        for name, mask in _masks().items():
            if order == 2 and sum(mask) < LIGHT:
                continue
            settings = {
                "Fn_compute_blocks": 1,
                "max_warmup_steps": WARMUP,
                "steps_computation_mask": mask,
                "steps_computation_policy": "static",
            }
            name = f"{family}, mask {name}"
            found.append(Contender(name, family, enabled(settings, order), {**settings, "order": order}))
    return found


def _masks() -> dict[str, list[int]]:
    """Its own masks, cut to our steps as it does, and those that our step masks have."""
    named = {name: cache_dit.steps_mask(total_steps=STEPS, mask_policy=name) for name in POLICIES}
    given = {",".join(map(str, mask)): [int(step in mask) for step in range(STEPS)] for mask in MASKS}
    return {**named, **given}


def enabled(settings: dict[str, Any], order: int, steps: int = STEPS) -> Any:
    """A way of putting it on a pipeline: its settings, and the order of TaylorSeer or 0."""

    @contextmanager
    def on(pipe: Any) -> Iterator[Session]:
        # Encoder states do not change between PixArt's blocks: there is nothing to forecast.
        taylor = TaylorSeerCalibratorConfig(taylorseer_order=order, enable_encoder_calibrator=False) if order else None
        _quiet()
        config = DBCacheConfig(**settings, num_inference_steps=steps, enable_separate_cfg=_separate(pipe))
        cache_dit.enable_cache(pipe, cache_config=config, calibrator_config=taylor)
        try:
            yield Session(roots=lambda: [pipe._context_manager])
        finally:
            cache_dit.disable_cache(pipe)

    return on


def _separate(pipe: Any) -> bool:
    """Whether guidance is a second call of the denoiser, which its caches must be told: so it is in Wan's pipelines."""
    return type(pipe).__name__.startswith("Wan")


def _quiet() -> None:
    """Its loggers, each with a level of its own, tell every step of every configuration."""
    for name in list(logging.root.manager.loggerDict):
        if name.lower().startswith("cache_dit"):
            logging.getLogger(name).setLevel(logging.ERROR)

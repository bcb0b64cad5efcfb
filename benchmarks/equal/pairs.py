"""Who is held against whom: a method as evocache has it, and as another package has it, with the same parameters.

What runs is the same where the two agree on what their parameters mean, which the figures show; where they do not
quite, a pair is as near as parameters come (FasterCache: diffusers weighs two bands of frequency, and its window is one
of timesteps).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import diffusers as d
import torch

from benchmarks.peers import diffusers_caches
from benchmarks.peers.contender import Contender
from benchmarks.peers.ours import applied
from benchmarks.sizes.models import Sample
from evocache import discover
from evocache.policies import MagCache, Policy, parse
from evocache.schedule import Schedule, forecast, uniform
from evocache.search.calibrate.magnitude_ratios import measure_ratios

STEPS = 20
FIRST, LAST = 2, 18
"""Steps of the window in which attention is broadcast: from this one to before that one."""


@dataclass(frozen=True)
class Pair:
    """One method with its parameters, twice."""

    method: str
    ours: Contender
    theirs: Contender


def pairs(sample: Sample) -> list[Pair]:
    """All that both have for the denoiser of a pipeline."""
    found = [_broadcast(sample)]
    if hasattr(sample.pipe, "unet"):
        return [*found, *_deepcache()]
    return [
        *found,
        *_first_block(),
        *_dbcache(),
        *_magnitude(sample),
        *_taylor(sample),
        *_lite(sample),
        _faster(sample),
    ]


def _pair(method: str, ours: Any, package: str, theirs: Callable[[Any], Any], settings: dict[str, Any]) -> Pair:
    spec = ours if isinstance(ours, str) else getattr(ours, "spec", "") or "the same steps"
    what = parse(ours) if isinstance(ours, str) else ours
    told = {name: value for name, value in settings.items() if not callable(value) and name != "mag_ratios"}
    return Pair(
        method,
        Contender(f"evocache {spec}", method, applied(what), {"spec": spec}, STEPS),
        Contender(f"{package} {method}", method, theirs, {name: str(value) for name, value in told.items()}, STEPS),
    )


def _diffusers(method: str, ours: str | Policy | Schedule, kind: Any, settings: dict[str, Any]) -> Pair:
    return _pair(method, ours, "diffusers", diffusers_caches.enabled(kind, settings), settings)


def _timesteps(sample: Sample) -> list[int]:
    sample.pipe.scheduler.set_timesteps(STEPS)
    return [int(t) for t in sample.pipe.scheduler.timesteps]


def _broadcast(sample: Sample) -> Pair:
    seen = _timesteps(sample)
    window = (seen[LAST - 1] - 1, seen[FIRST] + 1)
    settings = {
        "spatial_attention_block_skip_range": 2,
        "cross_attention_block_skip_range": 4,
        "spatial_attention_timestep_skip_range": window,
        "cross_attention_timestep_skip_range": window,
    }
    spec = f"pab:2,4,{FIRST / STEPS:g},{LAST / STEPS:g}"
    return _diffusers("PAB 2/4", spec, d.PyramidAttentionBroadcastConfig, settings)


def _first_block() -> list[Pair]:
    return [
        _diffusers(f"first-block cache {t:g}", f"fbcache:{t:g}", d.FirstBlockCacheConfig, {"threshold": t})
        for t in (0.1, 0.3)
    ]


def _magnitude(sample: Sample) -> list[Pair]:
    known = measure_ratios(sample.pipe, lambda: sample.run(STEPS))
    found = []
    for threshold, most in ((0.12, 3), (0.5, 5)):
        settings = {"threshold": threshold, "max_skip_steps": most, "retention_ratio": 0.2}
        given = {**settings, "num_inference_steps": STEPS, "mag_ratios": known}
        ours = MagCache(threshold, most, 0.2, ratios=known)
        found.append(_diffusers(f"MagCache {threshold:g}, at most {most}", ours, d.MagCacheConfig, given))
    return found


def _taylor(sample: Sample) -> list[Pair]:
    tree = discover(sample.pipe).tree
    leaves = [c.id for kind in ("attention", "cross_attention", "feed_forward") for c in tree.of_kind(kind)]
    found = []
    for interval, order in ((2, 1), (3, 1), (3, 2)):
        settings = {**_intervals(interval, order), "cache_identifiers": diffusers_caches.LAYERS}
        ours = uniform(tree, STEPS, leaves, _computed(interval), forecast(order))
        found.append(_diffusers(f"TaylorSeer {interval}, order {order}", ours, d.TaylorSeerCacheConfig, settings))
    return found


def _lite(sample: Sample) -> list[Pair]:
    """What leaves the blocks, forecast as one."""
    tree = discover(sample.pipe).tree
    ours = uniform(tree, STEPS, [c.id for c in tree.of_kind("denoiser")], _computed(3), forecast(1))
    settings = {**_intervals(3, 1), "use_lite_mode": True}
    return [_diffusers("TaylorSeer lite 3, order 1", ours, d.TaylorSeerCacheConfig, settings)]


def _intervals(interval: int, order: int) -> dict[str, Any]:
    return {
        "cache_interval": interval,
        "max_order": order,
        "disable_cache_before_step": 3,
        "taylor_factors_dtype": torch.float32,
    }


def _computed(interval: int) -> Sequence[int]:
    """The steps that diffusers computes: it counts intervals from one step later than the authors."""
    return [step for step in range(STEPS) if step < 3 or (step - 4) % interval == 0]


def _faster(sample: Sample) -> Pair:
    begin = 0.3
    seen = _timesteps(sample)
    window = (-1, seen[int(begin * STEPS)] + 1)
    settings = {
        "spatial_attention_block_skip_range": 2,
        "unconditional_batch_skip_range": 5,
        "spatial_attention_timestep_skip_range": window,
        "unconditional_batch_timestep_skip_range": window,
        "tensor_format": "BCHW",
        "attention_weight_callback": lambda module: 0.5,
    }
    return _diffusers("FasterCache 2/5", f"fastercache:2,0.5,{begin:g},5", d.FasterCacheConfig, settings)


def _dbcache() -> list[Pair]:
    if find_spec("cache_dit") is None:
        return []
    from benchmarks.peers import cache_dit_caches

    found = []
    for threshold, most, order in ((0.12, 3, 0), (0.5, 6, 0), (0.12, 3, 1)):
        settings = {
            "Fn_compute_blocks": 1,
            "residual_diff_threshold": threshold,
            "max_warmup_steps": 3,
            "max_continuous_cached_steps": most,
        }
        on = cache_dit_caches.enabled(settings, order, STEPS)
        name = f"DBCache {threshold:g}, at most {most}" + (f", TaylorSeer {order}" if order else "")
        found.append(_pair(name, f"dbcache:{threshold:g},1,0,3,{most},{order}", "cache-dit", on, settings))
    return found


def _deepcache() -> list[Pair]:
    if find_spec("DeepCache") is None:
        return []
    from benchmarks.peers import deepcache

    return [
        _pair(f"DeepCache {theirs.settings['cache_interval']}", spec, "DeepCache", theirs.on, dict(theirs.settings))
        for theirs in deepcache.contenders(STEPS)
        for spec in [f"deepcache:{theirs.settings['cache_interval']}"]
    ]

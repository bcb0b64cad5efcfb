"""Who takes part at full size: the untouched pipeline, fewer steps, our policies, and other packages' caches.

One strength or two of each: what is compared is time and memory at equal work, not how good pictures are. MagCache is
given ratios of 1, with which it skips as many steps as its settings allow.
"""

from __future__ import annotations

from importlib.util import find_spec
from inspect import signature
from itertools import zip_longest
from typing import Any

import diffusers as d

from benchmarks.peers import diffusers_caches
from benchmarks.peers.contender import FEWER, POLICY, UNCACHED, Contender
from benchmarks.peers.ours import applied, nothing
from evocache import discover
from evocache.errors import PolicyError
from evocache.policies import parse_policy

LAYERS = r".*blocks\.\d+\.(attn[12]?|ff|ff_context|ffn|proj_mlp|proj_out)"
"""What TaylorSeer forecasts: the layers that `fora` reuses in the transformers here. The last two are the feed-forward
of FLUX's single blocks, which stands in no module of its own."""


def entrants(pipe: Any, steps: int) -> list[Contender]:
    """All contenders that could work on a pipeline; whether they do is for them to show.

    The untouched one first, then ours and other packages' in turn: where time ends, it ends for both.
    """
    counts = sorted({-(-steps // 2), -(-steps // 3)})
    ours = [Contender(f"{n} steps", FEWER, nothing, {"steps": n}, n) for n in counts] + _policies(pipe, steps)
    theirs = [*_diffusers(pipe, steps), *_cache_dit(pipe, steps), *_deepcache(pipe, steps)]
    turns = [entrant for pair in zip_longest(ours, theirs) for entrant in pair if entrant is not None]
    return [Contender(UNCACHED, UNCACHED, nothing, steps=steps), *turns]


def _policies(pipe: Any, steps: int) -> list[Contender]:
    mask = ",".join(str(step) for step in range(steps) if step < 2 or step % 3 == 0)
    tree, found = discover(pipe).tree, []
    for spec in ("fora:2", "fora:3", f"steps:{mask}", "deepcache:2", "deepcache:3", "deepcache:5", "freqca:3"):
        try:
            schedule = parse_policy(spec).schedule(tree, steps)
        except PolicyError:  # U-Nets only, or transformers only
            continue
        found.append(Contender(spec, POLICY, applied(schedule), {"digest": schedule.digest}, steps))
    return found


def _diffusers(pipe: Any, steps: int) -> list[Contender]:
    broadcast = {
        "spatial_attention_block_skip_range": 2,
        "cross_attention_block_skip_range": 4,
        "spatial_attention_timestep_skip_range": (100, 900),
        "cross_attention_timestep_skip_range": (100, 900),
    }
    caches: list[tuple[str, Any, dict[str, Any]]] = [
        ("PyramidAttentionBroadcast 2/4", d.PyramidAttentionBroadcastConfig, broadcast)
    ]
    if not hasattr(pipe, "unet"):
        taylor = {"cache_interval": 3, "max_order": 1, "disable_cache_before_step": 2, "cache_identifiers": [LAYERS]}
        ratios = {"num_inference_steps": steps, "mag_ratios": [1.0] * steps}
        magnitude = {"threshold": 0.06, "max_skip_steps": 2, "retention_ratio": 0.1}
        caches += [
            ("FirstBlockCache 0.2", d.FirstBlockCacheConfig, {"threshold": 0.2}),
            ("TaylorSeer 3, order 1", d.TaylorSeerCacheConfig, taylor),
            ("MagCache, at most 2", d.MagCacheConfig, {**magnitude, **ratios}),
        ]
        if hasattr(d, "SeaCacheConfig") and "num_frames" in signature(type(pipe).__call__).parameters:
            caches.append(("SeaCache 0.25", d.SeaCacheConfig, {"raw_vision_callback": _latents}))
    found = []
    for name, kind, settings in caches:
        told = {key: value for key, value in settings.items() if not callable(value)}
        on = diffusers_caches.enabled(kind, settings)
        found.append(Contender(f"diffusers {name}", f"diffusers {name.split()[0].strip(',')}", on, told, steps))
    return found


def _latents(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The latents of a call, (channels, frames, height, width) each: what SeaCache compares."""
    given = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
    return list(given.unbind(0))


def _cache_dit(pipe: Any, steps: int) -> list[Contender]:
    if find_spec("cache_dit") is None or hasattr(pipe, "unet"):
        return []
    from benchmarks.peers import cache_dit_caches

    settings = {"Fn_compute_blocks": 1, "residual_diff_threshold": 0.12, "max_warmup_steps": min(3, steps - 1)}
    found = []
    for order in (0, 1):
        name = "cache-dit DBCache" + (f" + TaylorSeer {order}" if order else "")
        on = cache_dit_caches.enabled(settings, order, steps)
        found.append(Contender(f"{name}, F1 0.12", name, on, {**settings, "order": order}, steps))
    return found


def _deepcache(pipe: Any, steps: int) -> list[Contender]:
    if find_spec("DeepCache") is None or not hasattr(pipe, "unet"):
        return []
    from benchmarks.peers import deepcache

    return deepcache.contenders(steps)

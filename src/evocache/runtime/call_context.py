"""The context of a pipeline's call, and what is said of one that is outside of a point's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..model import Model
from ..model.discover import discover, unwrap
from ..model.kinds import list_modules
from ..schedule.front.context import STEPS, Context, Value, describe_differences
from .program.step_arguments import OWN, leaves_steps_open, signature_of

SIZES = ("height", "width")
FURTHER = ("num_frames", "video_length", "audio_length_in_s", "strength")
"""Other numbers that decide what a pipeline makes."""

GUIDANCE = ("guidance", "cfg")
"""What the names of arguments have in them that guide."""

SAMPLED, EACH = 64, 32
"""How many tensors of a denoiser's weights are looked at, and how many values of each."""


def context_of(pipe: Any, /, *args: Any, **call: Any) -> Context:
    """Return the context of a call of a pipeline, which is not made: what `front.pick(context=...)` takes.

    What the arguments leave out are the pipeline's own, but for the number of steps, which a point brings along. A few
    of the weights are looked at, which waits for the device.

    >>> context = context_of(pipe, "a red fox", guidance_scale=2.5)
    >>> context.values["guidance_scale"], context.values["height"]
    (2.5, 48)
    >>> point = front.pick(speedup=2, context=context)
    """
    method, modules = type(pipe).__call__, [denoiser.module for denoiser in discover(pipe).denoisers]
    values = {**_values(pipe, modules, method, args, call), **_parts(pipe, modules)}
    if leaves_steps_open(method, (pipe, *args), call):
        values.pop(STEPS, None)
    values["model"] = " ".join([*(type(module).__name__ for module in modules), _digest(map(_config, modules))])
    digest = weights_of(modules)
    return Context({**values, "weights": digest} if digest else values)


def outside_of(
    own: Context | None,
    pipe: Any,
    model: Model,
    call: Callable[..., Any],
    args: Sequence[Any],
    given: Mapping[str, Any],
) -> str | None:
    """Return what is to be said of a call outside of the context of what is applied.

    None if it is inside, or that has none.

    Args:
        own: of what is applied.
        pipe: the pipeline.
        model: its denoisers, by name: what the pipeline has under these names now is looked at.
        call: the `__call__` of the pipeline's class.
        args: positional arguments of the call.
        given: keyword arguments of the call.
    """
    if own is None:
        return None
    modules = _modules(pipe, model)
    return _describe_differences(
        own, {**_values(pipe, modules, call, args, given), **_pipeline_values(own, pipe, modules)}
    )


def outside_in_loop(own: Context | None, pipe: Any, model: Model, steps: int | None = None) -> str | None:
    """Say what `outside_of` says, of a loop of the user's own, whose arguments nobody knows.

    Args:
        own: of what is applied.
        pipe: the pipeline.
        model: its denoisers, by name.
        steps: of the loop, where they are known.
    """
    if own is None:
        return None
    known: dict[str, Value] = {} if steps is None else {STEPS: steps}
    return _describe_differences(own, {**known, **_pipeline_values(own, pipe, _modules(pipe, model))})


def foreign(own: Context | None, model: Model) -> str | None:
    """Return what is to be said of a point that is applied to other weights than it was evolved on.

    None if it is not.
    """
    if own is None or "weights" not in own.values:
        return None
    digest = weights_of([denoiser.module for denoiser in model.denoisers])
    return _describe_differences(own, {"weights": digest} if digest else {})


def weights_of(modules: Iterable[nn.Module]) -> str:
    """Return a digest of a few values of a few weights of some modules, 8 hexadecimal digits; empty without weights.

    It says which model this is, however it was loaded, and is cheap enough for every `apply`
    (`search.evaluate.fingerprint.digest_weights` looks at every weight instead). Values are rounded to bfloat16, so
    that the type in which the weights were loaded makes no difference. Weights of adapters are left out: adapters are
    compared by name. Front files contain the digest, so that what it looks at must not change.
    """
    samples: list[torch.Tensor] = []
    for module in modules:
        named = {name.replace(".base_layer", ""): p for name, p in module.named_parameters() if "lora_" not in name}
        chosen = [named[name] for name in sorted(named)][:: max(1, len(named) // SAMPLED)]
        for parameter in chosen:
            if parameter.is_meta or not parameter.is_floating_point():
                continue
            flat = parameter.detach().flatten()
            samples.append(flat[:: max(1, len(flat) // EACH)][:EACH].to(torch.bfloat16))
    if not samples:
        return ""
    together = len({sample.device for sample in samples}) == 1  # then the device is waited for once
    joined = torch.cat(samples if together else [sample.cpu() for sample in samples]).cpu()
    return hashlib.sha256(joined.view(torch.int16).numpy().tobytes()).hexdigest()[:8]


def _modules(pipe: Any, model: Model) -> list[nn.Module]:
    """What a pipeline has now under the names of its denoisers."""
    held = [pipe.components.get(denoiser.name) for denoiser in model.denoisers]
    return [unwrap(module) for module in held if isinstance(module, nn.Module)]


def _pipeline_values(own: Context, pipe: Any, modules: Sequence[nn.Module]) -> dict[str, Value]:
    """What is found in the pipeline as it is; its weights only where they are known to what is applied."""
    digest = weights_of(modules) if "weights" in own.values else ""
    return {**_parts(pipe, modules), **({"weights": digest} if digest else {})}


def _describe_differences(own: Context, values: Mapping[str, Value]) -> str | None:
    """What is to be said of values that differ from a point's; None if none do."""
    differences = own.differences(Context(values))
    return describe_differences(differences) if differences else None


def _values(
    pipe: Any, modules: Sequence[nn.Module], call: Callable[..., Any], args: Sequence[Any], given: Mapping[str, Any]
) -> dict[str, Value]:
    """What is found in the arguments of a call."""
    values: dict[str, Value] = {}
    try:
        bound = signature_of(call).bind_partial(pipe, *args, **given)
    except TypeError:  # the pipeline will say what is wrong with it
        return values
    bound.apply_defaults()
    named = bound.arguments
    for name, value in named.items():
        scale = any(word in name for word in GUIDANCE)
        if isinstance(value, (bool, int, float)) and (scale or name in FURTHER):
            values[name] = value if isinstance(value, bool) else float(value)
    usual = usual_size(pipe, modules)
    for i, name in enumerate(SIZES):
        if name in named and (size := named[name] or (usual and usual[i])):
            values[name] = int(size)
    if any(named.get(name) is not None for name in OWN):
        values[STEPS] = "timesteps of its own"
    elif isinstance(named.get(STEPS), int):
        values[STEPS] = named[STEPS]
    return values


def _parts(pipe: Any, modules: Sequence[nn.Module]) -> dict[str, Value]:
    """What is found in the pipeline as it is, but for its weights."""
    parts = [part for module in modules for part in list_modules(module)]
    floats = {p.dtype for part in parts for p in part._parameters.values() if p is not None and p.is_floating_point()}
    solvers = [part for part in pipe.components.values() if hasattr(part, "set_timesteps") and hasattr(part, "config")]
    return {
        "solver": " ".join(f"{type(solver).__name__} {_digest([_config(solver)])}" for solver in solvers),
        "adapters": _adapters(parts),
        "dtype": " ".join(sorted(str(dtype).removeprefix("torch.") for dtype in floats)),
    }


def usual_size(pipe: Any, modules: Sequence[nn.Module]) -> tuple[int, int] | None:
    """Height and width of what a pipeline makes where nothing else is asked for, as far as it follows the custom."""
    size = getattr(pipe, "default_sample_size", None) or _config(modules[0]).get("sample_size") if modules else None
    factor = getattr(pipe, "vae_scale_factor", None)
    if not isinstance(factor, int) or not isinstance(size, (int, list, tuple)):
        return None
    height, width = (size, size) if isinstance(size, int) else (size[-2], size[-1])
    return height * factor, width * factor


def _adapters(parts: Iterable[Any]) -> str:
    """Names of the adapters that act, with their weights; those that were merged into the weights act, too."""
    scales: dict[str, set[float]] = {}
    for part in parts:
        scaling = getattr(part, "scaling", None)
        if not isinstance(scaling, dict) or not hasattr(part, "active_adapters"):
            continue
        active = () if getattr(part, "disable_adapters", False) else part.active_adapters
        for name in {*active, *getattr(part, "merged_adapters", ())}:
            scales.setdefault(name, set()).add(round(float(scaling.get(name, 1.0)), 6))
    return ", ".join(f"{name} {'/'.join(f'{s:g}' for s in sorted(scales[name]))}" for name in sorted(scales))


def _config(part: Any) -> dict[str, Any]:
    """What a component was made with; what diffusers notes about the making is left out."""
    config = getattr(part, "config", None)
    return {name: value for name, value in dict(config or {}).items() if not str(name).startswith("_")}


def _digest(configs: Iterable[Mapping[str, Any]]) -> str:
    text = json.dumps([sorted((str(k), repr(v)) for k, v in config.items()) for config in configs])
    return hashlib.sha256(text.encode()).hexdigest()[:8]

"""Fingerprints: short digests of what a run is evaluated on: a pipeline, a call and a quality.

Of weights, every tensor counts: small ones whole, large ones by elements at fixed places all over them, so that a
pipeline of many gigabytes takes seconds. Of functions, their code, their defaults and what they enclose count; globals
that they read do not.
"""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ...model import discover
from ...model.discover import unwrap
from ...model.pipeline_components import list_components
from ..storage.run_identity import Part, Sample
from .quality import Quality
from .workload import Workload

WHOLE = 1 << 14
"""Elements up to which a tensor counts whole."""

PLACES = 1 << 12
"""Elements that count of a larger one."""

SAMPLED = 128
"""Elements of the first uncached outputs that are noted."""

MOST_PARTS = 100_000
"""Most objects that are looked at for one digest."""

_KNOWN_AS = {"evocache.search.evaluate.rewards": "evocache.search.rewards"}
"""Modules by the names that identities of runs on disk have for them."""

_LOCAL = ("transformers_version", "torch_dtype", "dtype", "name_or_path")
"""Entries of a configuration that say where it comes from, or that are told elsewhere."""


def fingerprint(pipe: Any, workload: Workload, quality: Quality) -> dict[str, Part]:
    """Describe what a run is evaluated on, by name; nothing is computed.

    Args:
        pipe: the pipeline.
        workload: prompts, seeds, call and batch.
        quality: how outputs are judged.
    """
    parts = describe_pipeline(pipe)
    parts["prompts"] = f"{len(workload.prompts)} texts, {digest_value(workload.prompts)}"
    parts["seeds"] = f"from {workload.seeds[0]}, {digest_value(workload.seeds)}"
    parts["batch"] = workload.batch
    call = {name: value for name, value in workload.call.items() if name not in ("prompt", "generator")}
    parts |= {f"call.{name}": _plain(value) for name, value in sorted(call.items())}
    parts["quality"] = quality.name
    parts["quality.measure"] = digest_value((quality.output, quality.measure))
    return parts


def describe_pipeline(pipe: Any) -> dict[str, Part]:
    """Describe what a pipeline's outputs depend on beside its call, by name: class, settings, components."""
    parts: dict[str, Part] = {"pipeline": type(pipe).__name__}
    components = list_components(pipe) if hasattr(pipe, "components") else {}
    components |= {d.name: d.module for d in discover(pipe).denoisers if d.name not in components}
    own = {name: value for name, value in _config(pipe).items() if name not in components}
    parts |= {f"pipeline.{name}": _plain(value) for name, value in sorted(own.items())}
    for name, component in components.items():
        parts |= {f"{name}{what}": value for what, value in _component(component).items()}
    return parts


def take_sample(outputs: Any, figures: Sequence[float]) -> Sample:
    """Return a few numbers of outputs, at fixed places, and their figures."""
    flat = np.asarray(outputs, dtype=np.float64).reshape(-1)
    places = np.unique(np.linspace(0, len(flat) - 1, min(SAMPLED, len(flat))).astype(np.intp))
    return Sample(tuple(map(float, flat[places])), tuple(map(float, figures)))


def choose_tolerance(pipe: Any) -> float:
    """Measure how far outputs may differ by rounding: other threads, other devices."""
    types = {p.dtype for d in discover(pipe).denoisers for p in d.module.parameters() if p.dtype.is_floating_point}
    return 1e-3 if types <= {torch.float32, torch.float64} else 3e-2


def digest_weights(module: nn.Module) -> str:
    """Return a short digest of a module's parameters and buffers: names, shapes, types and elements.

    Whatever differs tells here, since a run may only be continued on the very model that it was begun on: the type that
    weights were loaded in, adapters, buffers. `runtime.call_context.weights_of` is blind to these, as a front that was
    evolved in float32 holds for the same model in bfloat16.
    """
    hasher = hashlib.sha256()
    for kind in (module.named_parameters, module.named_buffers):
        for name, tensor in kind():
            hasher.update(name.encode())
            _hash_tensor(hasher, tensor)
    return hasher.hexdigest()[:12]


def digest_value(value: Any) -> str:
    """Return a short digest of any value: tensors, arrays, pictures, modules, functions, objects, and containers."""
    hasher = hashlib.sha256()
    within: set[int] = set()  # what contains itself is not followed for ever
    left = MOST_PARTS

    def visit(value: Any) -> None:
        nonlocal left
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            hasher.update(f"{type(value).__name__} {value!r};".encode())
            return
        if id(value) in within or not left:
            return
        left -= 1
        within.add(id(value))
        place = type(value).__module__
        hasher.update(f"{_KNOWN_AS.get(place, place)}.{type(value).__qualname__};".encode())
        if isinstance(value, torch.Tensor):
            _hash_tensor(hasher, value)
        elif isinstance(value, np.ndarray):
            hasher.update(f"{value.dtype} {value.shape};".encode())
            hasher.update(np.ascontiguousarray(value).tobytes() if value.dtype != object else b"")
        elif isinstance(value, nn.Module):
            hasher.update(digest_weights(value).encode())
        else:
            for part in _parts(value):
                visit(part)
        within.discard(id(value))

    visit(value)
    return hasher.hexdigest()[:12]


def _component(component: Any) -> dict[str, Part]:
    """What tells a component from others, by the rest of its name."""
    if component is None:
        return {"": None}
    if isinstance(component, nn.Module):
        module = unwrap(component)
        floats = {str(p.dtype).removeprefix("torch.") for p in module.parameters() if p.dtype.is_floating_point}
        config = {".config": digest_value(_config(module))} if _config(module) else {}
        dtype = ", ".join(sorted(floats))
        return {"": type(module).__name__, **config, ".dtype": dtype, ".weights": digest_weights(module)}
    if hasattr(component, "set_timesteps"):
        settings = {f".{name}": _plain(value) for name, value in sorted(_config(component).items())}
        return {"": type(component).__name__, **settings}
    return {"": type(component).__name__}


def _config(owner: Any) -> dict[str, Any]:
    """A configuration, without what says where it comes from."""
    config: Any = getattr(owner, "config", None)
    found = config.to_dict() if hasattr(config, "to_dict") else config
    if not isinstance(found, Mapping):
        return {}
    return {str(k): v for k, v in found.items() if not str(k).startswith("_") and k not in _LOCAL}


def _plain(value: Any) -> Part:
    """A value as it is if it is short, else what it is and a digest of it."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, str) and len(value) <= 80):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(value)
    shape = getattr(value, "shape", None) or getattr(value, "size", None)
    size = "x".join(map(str, shape)) if isinstance(shape, tuple) else ""
    return " ".join(filter(None, (type(value).__name__, size, digest_value(value))))


def _hash_tensor(hasher: Any, tensor: torch.Tensor) -> None:
    """Add a tensor to a hash: shape, type, and elements that lie all over it."""
    hasher.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
    if hasattr(tensor, "__tensor_flatten__") and type(tensor) is not nn.Parameter:
        for name in tensor.__tensor_flatten__()[0]:  # of a quantised tensor, what it is made of
            _hash_tensor(hasher, getattr(tensor, name))
        return
    if tensor.device.type == "meta" or not tensor.numel():
        return
    flat = tensor.detach().reshape(-1)
    if len(flat) > WHOLE:
        flat = flat[:: len(flat) // PLACES]
    hasher.update(flat.cpu().contiguous().view(torch.uint8).numpy().tobytes())


def _parts(value: Any) -> Iterator[Any]:
    """What a value is made of."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from (str(key), item)
    elif isinstance(value, (list, tuple)):
        yield len(value)
        yield from value
    elif isinstance(value, (set, frozenset)):
        yield from sorted(map(repr, value))
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, types.MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, types.CodeType):
        yield from (value.co_code, value.co_names, value.co_consts)
    elif isinstance(value, types.FunctionType):
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__)
        for cell in value.__closure__ or ():
            yield _contents(cell)
    elif isinstance(value, (type, types.BuiltinFunctionType, types.ModuleType)):
        yield getattr(value, "__qualname__", value.__name__)
    elif hasattr(value, "tobytes"):
        yield from (str(getattr(value, "mode", "")), str(getattr(value, "size", "")), value.tobytes())
    else:
        yield vars(type(value)).get("__call__")
        yield getattr(value, "__dict__", "")


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None

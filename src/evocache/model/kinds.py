"""What a module is, by its structure: attention, feed-forward, residual convolution block."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
CONTAINERS = (nn.ModuleList, nn.ModuleDict)
"""What holds modules and is never called itself."""

_PROJECTIONS = ("to_q", "to_k", "to_qkv", "to_kv", "qkv", "q_proj", "query", "to_qkv_mlp_proj", "img_qkv_proj")


def count_weighted_layers(module: nn.Module) -> int:
    """Return the number of linear and convolution layers in a module, itself included."""
    return sum(isinstance(m, _WEIGHTED) or type(m).__name__.endswith("Linear") for m in module.modules())


def is_attention(module: nn.Module) -> bool:
    """Return whether a module is one attention layer: it owns query, key or joint projections."""
    own = dict(module.named_children())
    named = "atten" in type(module).__name__.lower() or "attn" in type(module).__name__.lower()
    if any(isinstance(child, nn.ModuleList) and any(map(has_attention, child)) for child in own.values()):
        return False
    return any(name in own for name in _PROJECTIONS) or (named and hasattr(module, "processor"))


def find_linear(module: nn.Module | None) -> nn.Linear | None:
    """Return the linear layer that a module is, or that an adapter (LoRA) was put around."""
    inner = getattr(module, "base_layer", module)
    return inner if isinstance(inner, nn.Linear) else None


def has_attention(module: nn.Module) -> bool:
    """Return whether a module contains an attention layer, itself included."""
    return any(is_attention(m) for m in module.modules())


def is_cross_attention(name: str, module: nn.Module) -> bool:
    """Return whether an attention layer's keys come from another sequence than its queries, and from that alone.

    Its widths tell, or where both sequences are of the same width, its name.
    """
    own = name.split(".")[-1]
    flag = getattr(module, "is_cross_attention", None)
    if "self" in own or (flag is False and getattr(module, "added_kv_proj_dim", None) is None):
        return False
    query, key = find_linear(getattr(module, "to_q", None)), find_linear(getattr(module, "to_k", None))
    if query is not None and key is not None and query.in_features != key.in_features:
        return True
    return own == "attn2" or "cross" in f"{name}{type(module).__name__}".lower()


def is_modulation(name: str, module: nn.Module) -> bool:
    """Return whether a module only scales, embeds or modulates: too cheap to cache, or fed by the timestep alone."""
    text = f"{name} {type(module).__name__}".lower()
    return any(hint in text for hint in ("norm", "embed", "modul", "_mod", "adaln", "ada_", "timestep", "gate_logits"))


def is_feed_forward(name: str, module: nn.Module) -> bool:
    """Return whether a module is a feed-forward network: at least two weighted layers and no attention."""
    return not is_modulation(name, module) and count_weighted_layers(module) >= 2 and not has_attention(module)


def is_block(module: nn.Module) -> bool:
    """Return whether a module may be a transformer block: attention and, beside it, another weighted layer."""
    return not is_attention(module) and has_attention(module)


def is_whole(module: nn.Module) -> bool:
    """Return whether a module is called as a whole, which containers are not, and has weights."""
    return not isinstance(module, CONTAINERS) and any(True for _ in module.parameters())


def is_stack(container: nn.Module) -> bool:
    """Return whether a container is a stack of blocks: modules that are called as a whole, of which one attends."""
    members = list(container.children())
    whole = isinstance(container, CONTAINERS) and not any(is_attention(m) or not is_whole(m) for m in members)
    return whole and any(is_block(m) for m in members)


Stack = tuple[str, list[tuple[str, nn.Module]]]
"""A stack of blocks: its path, and the path and module of each block."""


def find_stacks(module: nn.Module, prefix: str = "") -> Iterator[Stack]:
    """Return the outermost stacks of blocks below a module, in order of definition.

    Where some levels of a model attend and others do not, the latter are stacks as well. A single module of the same
    class as the blocks beside it is a stack of one.
    """
    children = [(name, child) for name, child in module.named_children() if not is_attention(child)]
    stacks = {name for name, child in children if is_stack(child)}
    classes = {type(m) for name, child in children if name in stacks for m in child.children()}
    levels = isinstance(module, nn.ModuleList) and bool(stacks)
    for name, child in children:
        path = f"{prefix}{name}"
        if name in stacks or (levels and isinstance(child, CONTAINERS) and all(map(is_whole, child.children()))):
            yield path, [(f"{path}.{i}", m) for i, m in child.named_children()]
        elif type(child) in classes and is_block(child):
            yield path, [(path, child)]
        else:
            yield from find_stacks(child, f"{path}.")


def list_modules(module: nn.Module) -> list[nn.Module]:
    """Return a module and all in it, once each: for a look at all of them before a generation, `modules()` is slow."""
    found = {id(module): module}
    waiting = [module]
    while waiting:
        for part in waiting.pop()._modules.values():
            if part is not None and id(part) not in found:
                found[id(part)] = part
                waiting.append(part)
    return list(found.values())

"""Structural discovery: the denoisers of a pipeline and their component tree. No table of model classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from ..errors import PipelineError
from ..schedule import Component, Tree, deep_id, span_id
from .kinds import CONTAINERS, find_stacks, has_attention
from .leaves import find_leaves, find_loose_leaves
from .pipeline_components import list_components
from .unet import UNet, find_unet, find_unit_kind

_TIME_ARGUMENTS = {"timestep", "timesteps", "t", "timestep_ratio", "time_step", "sigma", "t_cond"}
_DENOISER_NAMES = ("transformer", "unet", "prior", "decoder", "denoiser", "dit", "super_res")


@dataclass(frozen=True)
class Denoiser:
    """A denoiser of a pipeline: its name there, its module, its components and where their modules are.

    Attributes:
        name: attribute of the pipeline that holds it.
        module: the module itself (unwrapped, if it was compiled).
        components: its components, parents before children.
        modules: module of each component that is one module (leaves, blocks, the denoiser).
        blocks: its numbered blocks, by index.
        unet: its stages, if it is a U-Net.
    """

    name: str
    module: nn.Module
    components: tuple[Component, ...]
    modules: Mapping[str, nn.Module]
    blocks: tuple[nn.Module, ...]
    unet: UNet | None


@dataclass(frozen=True)
class Model:
    """The denoisers of a pipeline."""

    denoisers: tuple[Denoiser, ...]

    @cached_property
    def tree(self) -> Tree:
        """Components of all denoisers."""
        return Tree(tuple(c for d in self.denoisers for c in d.components))

    @cached_property
    def classes(self) -> dict[str, str]:
        """Class of each denoiser, by name."""
        return {d.name: type(d.module).__name__ for d in self.denoisers}

    def __getitem__(self, name: str) -> Denoiser:
        for denoiser in self.denoisers:
            if denoiser.name == name:
                return denoiser
        raise KeyError(name)


def discover(pipe: Any) -> Model:
    """Find the denoisers of a pipeline, or a bare denoiser module, and their component tree. Nothing is run or changed.

    Blocks are found as repeated modules, and their parts by what they are: there is no table of classes.

    Args:
        pipe: a diffusers pipeline, or a module that it calls at each step.

    Returns:
        The denoisers by the names that the pipeline has for them (`denoiser` for a bare module); `.tree` is their
        component tree, which schedules are made for.

    Raises:
        PipelineError: if it is neither, or has no denoiser.

    >>> model = evocache.discover(pipe)
    >>> model.classes
    {'transformer': 'PixArtTransformer2DModel'}
    >>> len(model.tree.of_kind("block"))
    8
    """
    if isinstance(pipe, nn.Module):
        return Model((describe_denoiser("denoiser", unwrap(pipe)),))
    components = getattr(pipe, "components", None)
    if not isinstance(components, Mapping):
        raise PipelineError(f"a {type(pipe).__name__}", "a diffusers pipeline", "pass the pipeline itself")
    if not callable(pipe):
        raise PipelineError(
            f"a {type(pipe).__name__}, which has no call of its own",
            "a pipeline that is called as pipe(...)",
            "make the pipeline of one task of it, TaskPipeline.from_pipe(pipe), and pass that",
        )
    components = list_components(pipe)
    found = [(name, unwrap(m)) for name, m in components.items() if isinstance(m, nn.Module)]
    found = [(name, m) for name, m in found if is_denoiser(name, m)]
    if not found:
        names = ", ".join(components) or "none"
        raise PipelineError(
            f"a {type(pipe).__name__} with components {names}",
            "a pipeline with a denoiser (a module that is called with a timestep)",
            "load the pipeline with its transformer or unet",
        )
    return Model(tuple(describe_denoiser(name, module) for name, module in found))


def is_denoiser(name: str, module: nn.Module) -> bool:
    """Return whether a pipeline's module denoises: it is called with a time, and is no ControlNet or autoencoder."""
    if hasattr(module, "decode") or hasattr(module, "get_input_embeddings"):
        return False
    arguments = set(inspect.signature(type(module).forward).parameters)
    named = name.startswith(_DENOISER_NAMES)
    if not named and "controlnet" in type(module).__name__.lower():
        return False
    return bool(arguments & _TIME_ARGUMENTS) or (named and any(find_stacks(module)))


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module that `torch.compile` wrapped, or the module itself."""
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def describe_denoiser(name: str, module: nn.Module) -> Denoiser:
    """Return the denoiser that a module is, under a name."""
    unet = find_unet(module)
    parts = list(_unet_parts(name, unet, module) if unet else _transformer_parts(name, module))
    root = (Component(name, "denoiser"), module)
    modules = {c.id: m for c, m in [root, *parts] if m is not None}
    blocks = tuple(m for c, m in parts if c.kind == "block" and c.block is not None and m is not None)
    return Denoiser(name, module, tuple(c for c, _ in [root, *parts]), modules, blocks, unet)


Parts = Iterator[tuple[Component, nn.Module | None]]


def _transformer_parts(name: str, module: nn.Module) -> Parts:
    stacks = list(find_stacks(module))
    outer = [stack for stack in stacks if _held(module, stack[0])] or stacks
    numbered = [place for _, blocks in outer for place in blocks]
    span = span_id(name, 0, len(numbered)) if len(numbered) > 1 else None
    for _, blocks in (stack for stack in stacks if stack not in outer):
        for path, block in blocks:
            yield from _block_parts(name, path, block, None, name)
    for leaf in find_loose_leaves(module, {block for _, blocks in stacks for _, block in blocks}):
        yield Component(f"{name}/{leaf.path}", leaf.kind, None, name), leaf.module
    if span:
        yield Component(span, "span", None, name), None
    for i, (path, block) in enumerate(numbered):
        yield from _block_parts(name, path, block, i, span or name)


def _held(module: nn.Module, path: str) -> bool:
    """Whether a module itself holds the stack at a path: only containers, which are never called, lie between."""
    names = path.split(".")
    between = (module.get_submodule(".".join(names[:i])) for i in range(1, len(names)))
    return all(isinstance(m, CONTAINERS) for m in between)


def _block_parts(name: str, path: str, block: nn.Module, index: int | None, parent: str) -> Parts:
    id = f"{name}/{path}"
    yield Component(id, "block", index, parent), block
    for leaf in find_leaves(block):
        readers = tuple(f"{id}.{r}" for r in leaf.readers)
        yield Component(f"{id}.{leaf.path}", leaf.kind, index, id, readers), leaf.module


def _unet_parts(name: str, unet: UNet, module: nn.Module) -> Parts:
    held: dict[int, list[tuple[Component, nn.Module | None]]] = {}
    index = 0
    for stage in unet.stages:
        for j, layer in enumerate(stage.layers):
            depth = unet.depth_of(stage, j)
            parent = deep_id(name, depth) if depth >= 0 else name
            for path, unit in layer:
                above, kind = parent, find_unit_kind(path, unit)
                if kind:
                    above = f"{name}/{path}"
                    held.setdefault(depth, []).append((Component(above, kind, None, parent), unit))
                for place, block in _unit_blocks(path, unit, kind):
                    held.setdefault(depth, []).extend(_block_parts(name, place, block, index, above))
                    index += 1
    for place, block in _outside(unet, module):
        held.setdefault(-1, []).extend(_block_parts(name, place, block, index, name))
        index += 1
    yield from held.get(-1, [])
    for depth in range(len(unet.deeps)):
        above = deep_id(name, depth - 1) if depth else name
        yield Component(deep_id(name, depth), "deep", None, above), None
        yield from held.get(depth, [])


Places = Iterator[tuple[str, nn.Module]]


def _unit_blocks(path: str, unit: nn.Module, kind: str | None) -> Places:
    """Blocks of a unit of a U-Net: those of its stacks, or the unit itself if it attends without any."""
    inner = [place for _, blocks in find_stacks(unit, f"{path}.") for place in blocks]
    if not inner and kind is None and has_attention(unit):
        inner = [(path, unit)]
    yield from inner


def _outside(unet: UNet, module: nn.Module) -> Places:
    """Blocks of a U-Net that lie in none of its stages."""
    inside = {stage.path.split(".")[0] for stage in unet.stages}
    for path, blocks in find_stacks(module):
        if path.split(".")[0] not in inside:
            yield from blocks

"""Compiled regions: modules that `torch.compile` traces as a whole, and what lies in them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple

from torch import nn

from ...model import Denoiser
from .call_scope import Op
from .graph_limit import GIVEN_UP, Graphs, graphs
from .interception import PART, PLACE, inner
from .slot import Slot, copy_tensors

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Compiles a function with the options that a module was compiled with."""


class Part(NamedTuple):
    """A module in a region: its place there, and its operation."""

    place: int
    module: nn.Module
    op: Op


class Regions:
    """The compiled regions of one denoiser.

    If the denoiser is compiled as a whole it is the only one. What cannot be told from outside (how streams flow, what
    a span adds to them, what gates watch) is then found in calls that are not compiled as a whole: each block of a
    transformer is compiled alone in them, with the same options.

    Args:
        holder: what the pipeline calls: the denoiser, or what `torch.compile` wrapped around it.
        denoiser: the denoiser.
        inside: whether modules in it are compiled.
    """

    def __init__(self, holder: nn.Module, denoiser: Denoiser, inside: bool) -> None:
        self.whole = holder if is_compiled(holder) else None
        self._inside: dict[int, Mapping[int, tuple[int, nn.Module]]] = {}
        self._model = weakref.ref(denoiser.module)
        self._compiled: dict[int, Callable[..., Any]] = {}
        roots = [holder] if self.whole is not None else _outermost(denoiser.module) if inside else []
        compile = compiler(holder) if self.whole is not None and denoiser.unet is None else None
        if compile is not None:
            for block in denoiser.blocks:
                self._compiled[id(block)] = compile(block._call_impl)
            roots += denoiser.blocks
        self.roots: Sequence[nn.Module] = roots
        for root in roots:
            self._inside[id(root)] = {id(m): (i, m) for i, m in enumerate(root.modules()) if m is not root}

    @property
    def any(self) -> bool:
        """Whether anything of the denoiser is compiled."""
        return self.whole is not None or bool(self.roots)

    def within(self, table: Mapping[Any, Op]) -> frozenset[int]:
        """Return ids of modules of a table that lie in a compiled region: a graph is of their operations."""
        return frozenset(id_ for id_ in table if any(id_ in inside for inside in self._inside.values()))

    @property
    def graphs(self) -> Mapping[CodeType, Graphs]:
        """What is known of the graphs of functions that the host has compiled, by their code."""
        found = map(self._graphs, self.roots if self.whole is None else [self.whole])
        return {graphs.code: graphs for graphs in found}

    def computed(self, original: Callable[..., Any], *, whole: bool = True) -> Callable[..., Any]:
        """Return what computes the denoiser under the operations that its thread has set: `original`, if none of it is
        compiled.

        Args:
            original: the class's `__call__`.
            whole: whether everything may be handed into a region at once.
        """
        if not self.any:
            return original

        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            table = inner.table or {}
            inner.table = self.arrange(table)
            try:
                return self.call(table, original, whole=whole)(module, *args, **kwargs)
            finally:
                inner.table = table

        return call

    def arrange(self, table: Mapping[Any, Op]) -> Mapping[Any, Op]:
        """Return a table in which compiled modules that contain others of it take them along into their region."""
        if self.whole is not None or not self.roots:
            return table
        return {**table, **self._regions(self.roots, table, compiled)}

    def call(self, table: Mapping[Any, Op], original: Callable[..., Any], *, whole: bool = True) -> Callable[..., Any]:
        """Return the call of the denoiser under a table: `original`, if the denoiser is not compiled.

        Args:
            table: the operations of the call.
            original: the class's `__call__`.
            whole: whether everything may be handed into the region at once.
        """
        if self.whole is None:
            return original
        root = self.whole

        def apart(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
            before = inner.table
            parts = [part for part in self.roots if part is not root]
            inner.table = {**table, **self._regions(parts, table, self._alone)}
            try:
                return eagerly(original, module, args, kwargs)
            finally:
                inner.table = before

        def in_parts(module: Any, *args: Any, **kwargs: Any) -> Any:
            return apart(original, module, args, kwargs)

        inside = self._parts_in(root, table)
        if inside and not whole:
            return in_parts
        return Region(inside, None, compiled, apart, self._graphs(root), PLACE, replays(root)).computed(original)

    def _alone(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """A block that is compiled although its denoiser was."""
        return self._compiled[id(module)](*args, **kwargs)

    def _regions(self, roots: Sequence[nn.Module], table: Mapping[Any, Op], run: Op) -> dict[int, Op]:
        found: dict[int, Op] = {}
        for root in roots:
            own, replayed = table.get(id(root)), replays(root if self.whole is None else self.whole)
            found[id(root)] = Region(self._parts_in(root, table), own, run, eagerly, self._graphs(root), PART, replayed)
        return found

    def _parts_in(self, root: nn.Module, table: Mapping[Any, Op]) -> list[Part]:
        inside = self._inside[id(root)]
        return [Part(*inside[id_], op) for id_, op in table.items() if id_ in inside]

    def _graphs(self, root: nn.Module) -> Graphs:
        """What is known of the graphs of a module."""
        return graphs(root, self._model)


class Region:
    """The operation of a compiled module whose parts have operations of their own.

    Args:
        inside: those parts, and their operations.
        own: what happens at the module's call besides.
        run: the compiled call.
        otherwise: the call if one of the operations has no form in which it may be compiled, or there are so many
            different ones that a graph for each would be more than dynamo makes of one function.
        graphs: what is known of the graphs of the function that is compiled.
        by: the attribute that numbers them.
        replayed: whether the call may be a graph of CUDA. What it returns is then copied: the next block's graph may
            write over it, and so does its own at the next step, when spans, gates and guidance still want it.
    """

    def __init__(
        self,
        inside: Sequence[Part],
        own: Op | None,
        run: Op,
        otherwise: Op,
        graphs: Graphs,
        by: str = PART,
        replayed: bool = False,
    ) -> None:
        self.inside = inside
        self.own = own
        self.run = run
        self.otherwise = otherwise
        self.graphs = graphs
        self.by = by
        self.replayed = replayed

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        call = self.computed(original)
        return call(module, *args, **kwargs) if self.own is None else self.own(call, module, args, kwargs)

    def computed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return what computes the module in place of its class's `__call__`."""

        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            slots = self._slots()
            if slots is None:
                return self.otherwise(original, module, args, kwargs)
            kinds = frozenset(zip([part.place for part in self.inside], map(type, slots), strict=True))
            if not self.graphs.may(kinds):
                return self.otherwise(original, module, args, kwargs)
            for part in self.inside:
                part.module.__dict__[self.by] = part.place
            before = inner.slots, inner.by
            inner.slots = {part.place: slot for part, slot in zip(self.inside, slots, strict=True)}
            inner.by = self.by
            try:
                output = self.run(original, module, args, kwargs)
            except Exception as error:
                if type(error).__name__ not in GIVEN_UP:
                    raise
                self.graphs.note_refusal(kinds)
                output = GIVEN_UP
            finally:
                inner.slots, inner.by = before
            if output is GIVEN_UP:
                return self.otherwise(original, module, args, kwargs)
            self.graphs.note_graph(kinds)
            for place in slots[0].order if slots else ():
                slots[place].settle()
            return copy_tensors(output, "cuda") if self.replayed else output

        return call

    def _slots(self) -> list[Slot] | None:
        """A slot for each part; None if there is one that has none."""
        order: list[int] = []
        slots = []
        for place, part in enumerate(self.inside):
            make = getattr(part.op, "slot", None)
            slot = None if make is None else make(part.module)
            if slot is None:
                return None
            slot.order, slot.place, slot.replayed = order, place, self.replayed
            slots.append(slot)
        return slots


def compiled(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
    """Return the call as the host compiled it."""
    return original(module, *args, **kwargs)


def eagerly(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
    """Return the call without compilation."""
    inner = getattr(module, "_orig_mod", None)
    if isinstance(inner, nn.Module):
        return inner(*args, **kwargs)
    if getattr(module, "_compiled_call_impl", None) is not None:
        return module._call_impl(*args, **kwargs)
    return original(module, *args, **kwargs)


def is_compiled(module: nn.Module) -> bool:
    """Return whether calls of a module are compiled.

    They are by its `compile()`, or since `torch.compile` was wrapped around it.
    """
    return "_orig_mod" in module._modules or module._compiled_call_impl is not None


def compiler(module: nn.Module) -> Compile | None:
    """Return what compiles a function with the options of a compiled module.

    None where torch does not let it be found.
    """
    context = getattr(module, "dynamo_ctx", None)
    if context is None:
        cells = getattr(getattr(module, "_compiled_call_impl", None), "__closure__", None) or ()
        held = [cell.cell_contents for cell in cells]
        context = next((c for c in held if type(c).__module__ == "torch._dynamo.eval_frame" and callable(c)), None)
    return context if callable(context) else None


def replays(module: nn.Module) -> bool:
    """Return whether a compiled module may run as graphs of CUDA; so it is taken for if its compiler does not tell."""
    config = getattr(compiler(module), "compiler_config", None)
    return bool(config.get("triton.cudagraphs", True)) if isinstance(config, dict) else True


def _outermost(module: nn.Module) -> list[nn.Module]:
    """Compiled modules within one, but for those that lie in another of them."""
    found: list[nn.Module] = []
    for child in module.children():
        found += [child] if is_compiled(child) else _outermost(child)
    return found

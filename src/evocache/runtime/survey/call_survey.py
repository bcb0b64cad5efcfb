"""The survey: a denoiser's call print, from rehearsals with fake tensors and trials of slicing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import nn

from ...memory.cudnn_workspace import Workspace
from ...memory.planner.footprint import CallPrint, Choice, Cut, UnitPrint
from ...memory.rehearsal.fake_operations import Fakes
from ...memory.rehearsal.rehearsal import Use, rehearse, shadow, signature
from ...memory.slicing.couplings import Shared, Uncoupled
from ...memory.slicing.exact_slicings import pattern, slicings
from ...memory.slicing.slicing import Slicing, run
from ...model.discover import Denoiser
from ...model.outputs import list_tensors
from ...model.sliceable_units import Unit, find_units
from ...video.decode.frame_group_trial import find_frame_groups
from ...video.decode.frame_groups import run_cut

SLICES = (2, 4, 8, 16, 32)
"""Numbers of slices that are surveyed."""

MOST = 100_000
"""Operations of a method in slices beyond which more slices are not surveyed: rehearsing them takes too long."""

WORTH = 0.97
"""More slices are surveyed as long as they bring the surge below this share of what fewer do."""


def survey(
    denoiser: Denoiser, args: Sequence[Any], kwargs: Mapping[str, Any], workspace: Workspace | None = None
) -> CallPrint:
    """Survey what a call of a denoiser holds, and what each of its units would hold in slices.

    Args:
        denoiser: the denoiser; its weights may be anywhere, also on the meta device.
        args: positional arguments that it is called with; only shapes and types matter.
        kwargs: keyword arguments that it is called with.
        workspace: what operations hold while they run, where that is to be counted.
    """
    module = shadow(denoiser.module)
    known = {id(unit.module): unit for unit in _shadowed(denoiser, module)}
    return _Survey(known, Fakes(workspace)).of(module, args, kwargs)


def survey_method(
    module: nn.Module,
    method: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    workspace: Workspace | None = None,
) -> list[Choice]:
    """Ways of calling a module's method, its arguments counted: as it is, then each holding less and taking longer.

    Args:
        module: the shadow of the module.
        method: the method's name.
        args: positional arguments that it is called with; only shapes and types matter.
        kwargs: keyword arguments that it is called with.
        workspace: what operations hold while they run, where that is to be counted.
    """
    fakes = Fakes(workspace)
    whole = rehearse(module, args, kwargs, call=getattr(module, method), fakes=fakes)
    found = [Choice({}, whole.whole.peak, whole.operations)]

    def held(how: Cut) -> int | None:
        def call(*args: Any, **kwargs: Any) -> Any:
            return run_cut(module, method, how, args, kwargs, rehearsed=True)

        try:
            return rehearse(module, args, kwargs, call=call, fakes=fakes).whole.peak
        except Uncoupled:  # so many slices are too thin
            return None

    groups = find_frame_groups(module, tuple(args), kwargs, method)
    if groups is not None:
        peak = held(Cut(groups, 1))
        found += [Choice({"": Cut(groups, 1)}, peak, whole.operations)] if peak is not None else []
    for slicing in _ways(module, tuple(args), kwargs, method, groups):
        least = whole.whole.peak
        for slices in (n for n in SLICES if n == SLICES[0] or n * whole.operations <= MOST):
            peak = held(Cut(slicing, slices))
            if peak is not None and peak < WORTH * least:
                least = peak
                found.append(Choice({"": Cut(slicing, slices)}, least, slices * whole.operations))
            elif peak is None or least < whole.whole.peak:  # a few slices may not pay what they copy at their edges
                break
    return _worth(found)


def _ways(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str, groups: Slicing | None
) -> list[Slicing]:
    """Ways of slicing a method; of a video, along its width only if there is none along its height."""
    if not any(tensor.ndim == 5 for tensor in list_tensors((args, dict(kwargs)))):
        return slicings(module, args, kwargs, method)
    for axes in ((3,) if groups else (2, 3), (4,)):
        found = slicings(module, args, kwargs, method, axes)
        if found:
            break
    return [replace(s, groups=groups.groups) if groups and s.coupled else s for s in found]


def _worth(found: list[Choice]) -> list[Choice]:
    """Of the choices for one call, as it is first, those that hold less than all that take fewer operations."""
    first, *others = sorted(found, key=_order)
    return worth(first, others)


def worth(first: Choice, others: Iterable[Choice]) -> list[Choice]:
    """Return a choice, and of others those that hold less than it and all that take fewer operations."""
    kept = [first]
    for choice in sorted(others, key=_order):
        if choice.surge < WORTH * kept[-1].surge:
            kept.append(choice)
    return kept


def _order(choice: Choice) -> tuple[int, int]:
    return choice.operations, choice.surge


def sliced(call: Callable[..., Any], how: Cut) -> Callable[..., Any]:
    """Return a call that holds what it would in slices; for rehearsals only."""
    return lambda *args, **kwargs: run(call, how.slicing, how.slices, args, kwargs, rehearsed=True)


def _shadowed(denoiser: Denoiser, module: nn.Module) -> list[Unit]:
    """The units of a denoiser in its shadow."""
    return [
        Unit(u.path, module.get_submodule(u.path), tuple((p, module.get_submodule(p)) for p, _ in u.parts))
        for u in find_units(denoiser)
    ]


class _Survey:
    """What was found so far: how calls can be sliced, by pattern, and what that leaves to hold, by signature."""

    def __init__(self, units: Mapping[int, Unit], fakes: Fakes) -> None:
        self.units = units
        self.fakes = fakes
        self.ways: dict[object, list[Slicing]] = {}
        self.choices: dict[object, list[Choice]] = {}

    def of(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> CallPrint:
        """The print of a call."""
        seen = rehearse(module, args, kwargs, [unit.module for unit in self.units.values()], fakes=self.fakes)
        prints = []
        for use in seen.uses:
            unit = self.units[id(use.module)]
            key = _signature(use)
            if key not in self.choices:
                self.choices[key] = self._choices(unit, use)
            choices = tuple(_renamed(choice, unit.path) for choice in self.choices[key])
            prints.append(UnitPrint(unit.path, use.extent.entry, choices))
        return CallPrint(seen.floor, tuple(prints))

    def _choices(self, unit: Unit, use: Use) -> list[Choice]:
        """Ways of running a unit, paths relative to it: as it is, then each holding less and taking more operations."""
        found = [Choice({}, use.extent.surge, use.operations)]
        ways = self._slicings(use)
        for slicing in ways:
            found += self._sliced(unit, use, {"": slicing}, use.operations)
        if not ways or ways[0].coupled:
            for by, operations in self._inner(unit, use):
                found += self._sliced(unit, use, by, operations)
        return _worth(found)

    def _slicings(self, use: Use) -> list[Slicing]:
        key = pattern(use.module, use.args, use.kwargs)
        if key not in self.ways:
            self.ways[key] = slicings(use.module, use.args, use.kwargs)
        return self.ways[key]

    def _inner(self, unit: Unit, use: Use) -> Iterator[tuple[dict[str, Slicing], int]]:
        """For each part of a unit that can be sliced, the first way of doing it; and the operations of these parts.

        Then the same without the parts that join streams: each of their slices holds all of the stream that is not cut.
        """
        parts = {id(module): path.removeprefix(unit.path) for path, module in unit.parts if module is not unit.module}
        inner = [m for _, m in unit.parts if m is not unit.module]
        seen = rehearse(unit.module, use.args, use.kwargs, inner, fakes=self.fakes)
        ways = {parts[id(call.module)]: self._slicings(call) for call in seen.uses}
        first = {path: found[0] for path, found in ways.items() if found}
        alone = {path: slicing for path, slicing in first.items() if slicing.shared is Shared.NONE}
        for by in (first, alone) if len(alone) < len(first) else (first,):
            yield by, sum(call.operations for call in seen.uses if parts[id(call.module)] in by)

    def _sliced(self, unit: Unit, use: Use, by: Mapping[str, Slicing], operations: int) -> list[Choice]:
        """The unit with modules, of so many operations, run in more and more slices, as long as that is worth it."""
        modules = {"": unit.module, **{path.removeprefix(unit.path): module for path, module in unit.parts}}
        found: list[Choice] = []
        for slices in SLICES if by else ():
            cuts = {path: Cut(slicing, slices) for path, slicing in by.items()}
            with cut({modules[path]: cut for path, cut in cuts.items()}):
                seen = rehearse(unit.module, use.args, use.kwargs, [unit.module], fakes=self.fakes)
            (again,) = seen.uses
            if again.extent.surge < WORTH * (found[-1].surge if found else use.extent.surge):
                found.append(Choice(cuts, again.extent.surge, use.operations + (slices - 1) * operations))
            elif found:  # a few slices may not pay the room for the whole, which more of them do
                break
        return found


@contextmanager
def cut(modules: Mapping[nn.Module, Cut]) -> Iterator[None]:
    """Have modules, within the context, hold what they would in slices.

    For rehearsals only: it replaces their `forward`.
    """
    before = {module: module.__dict__.get("forward") for module in modules}
    for module, how in modules.items():
        module.__dict__["forward"] = sliced(module.forward, how)
    try:
        yield
    finally:
        for module, own in before.items():
            if own is None:
                del module.__dict__["forward"]
            else:
                module.__dict__["forward"] = own


def _renamed(choice: Choice, path: str) -> Choice:
    return Choice({f"{path}{below}": cut for below, cut in choice.cuts.items()}, choice.surge, choice.operations)


def _signature(use: Use) -> object:
    """What two uses have in common if they hold the same: class, weights, and what they are called with."""
    weights = tuple((name, tuple(p.shape), p.dtype) for name, p in use.module.named_parameters())
    return type(use.module), weights, signature(use.args, use.kwargs)

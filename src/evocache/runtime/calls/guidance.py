"""Guidance: a step's other denoiser calls made from its first, by how they differed from it last.

FasterCache (arXiv 2410.19355, section 3.3) makes the unconditional output from the conditional one so. Where guidance
doubles the batch instead of calling twice, the batch is halved before anything else, and its halves are two calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ...memory import version
from ...memory.latest_tensor import LatestTensor
from ...model.outputs import list_tensors
from ..clock import Tick
from ..ops.branch import Branch
from ..ops.latents import by_sample, latents_of
from ..ops.leaf import Keep
from ..ops.stored_output import Packing, packed, repacked
from ..program.plan import Row
from .guidance_pairs import Pairs, close

Given = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and named arguments."""


class Calls(NamedTuple):
    """How a denoiser is called for a batch, or for halves of it.

    Attributes:
        one: as the branch of a number, with positional and named arguments.
        both: the whole batch at once, from arguments of its guiding half and of the other, and the shape of its
            latents: the other half's branch and row, and the output; None where the halves do not do the same.
        whole: the whole batch, without any operation on its modules.
        rest: the other half, whose output is known, and computed only where something in it is to be stored.
    """

    one: Callable[[int, tuple[Any, ...], dict[str, Any]], Any]
    both: Callable[[Given, Given, tuple[int, ...]], tuple[Branch, Row, Any] | None]
    whole: Callable[[], Any]
    rest: Callable[[Given, Callable[[], Any]], Any]


_DEVICE = (torch.OutOfMemoryError,)


def uses_guidance(pipe: Any) -> bool | None:
    """Return whether a pipeline guides at the moment, if it says so: most have a property for it."""
    try:
        found = getattr(pipe, "do_classifier_free_guidance", None)
    except (AttributeError, TypeError):  # what it is made of is not set yet
        return None
    return found if isinstance(found, bool) else None


class GuidanceReuse:
    """The guidance of one denoiser through a generation: what a step's first call was given and returned.

    Only a call that is given the latents of the first is one that guidance adds. That they are the same tensor shows
    without looking at values; else values are compared, in steps whose difference is stored for later ones, and one of
    them is waited for. Which other steps read the difference is known beforehand, so nothing is waited for there.

    The first call's output is kept until the step ends, without a copy; the pipeline holds it as long, to guide by it.
    """

    def __init__(self) -> None:
        self._latents: tuple[torch.Tensor, int | None] | None = None
        self._kept: list[LatestTensor] = []
        self._packing: Packing | None = None
        self._pairs = Pairs()
        self._paired = False
        self._equal = 0

    def end_pass(self) -> None:
        """Timesteps are set anew, or the generation ends."""
        self.end_step()
        self._pairs = Pairs()
        self._equal = 0

    def end_step(self, sample: Any = None) -> None:
        """Let go of the step's first call, as the scheduler makes its step from a sample, if that is known."""
        if isinstance(sample, torch.Tensor):
            self._pairs.stepped(tuple(sample.shape))
        self._latents, self._packing = None, None
        for kept in self._kept:
            kept.drop()

    def run(
        self, tick: Tick, args: tuple[Any, ...], kwargs: dict[str, Any], calls: Calls, *, made: bool, says: bool | None
    ) -> Any:
        """Run a call of the pipeline as it is, or if its batch was doubled, half by half, the latter half first.

        Pipelines put the negative prompt before the other, so that the half that is always computed is the guiding one.
        Where both halves do the same, they are computed at once.

        Args:
            tick: the step, and the call's number in it.
            args: positional arguments.
            kwargs: named arguments.
            calls: how the denoiser is called.
            made: whether the schedule makes guidance at this step.
            says: whether the pipeline guides at the moment, if it says so.
        """
        latents = latents_of(args, kwargs)
        self._paired = latents is not None and not tick.call_index and self._pairs.may(latents, tick.step, made, says)
        if latents is None or not self._paired:
            call_index = tick.call_index
            output = calls.one(call_index, args, kwargs)
            if not call_index:
                self._first(latents, output)
            return output
        shape = tuple(latents.shape)
        other, first = ((half(args, shape, i), half(kwargs, shape, i)) for i in range(2))
        if not self._pairs.proven(shape):
            return self._try_halves(shape, first, other, calls)
        computed = calls.both(first, other, shape)
        if computed is not None:
            branch, row, whole = computed
            self._first(latents_of(*first), half(whole, shape, 1))
            self.other(branch, row, latents_of(*other), lambda: half(whole, shape, 0))
            return whole
        guiding = calls.one(0, *first)
        self._first(latents_of(*first), guiding)
        return join_halves(calls.one(1, *other), guiding)

    def _try_halves(self, shape: tuple[int, ...], first: Given, other: Given, calls: Calls) -> Any:
        """The first call of a doubled batch: the whole is what the pipeline gets, halves are what is stored.

        Attention may couple the samples of a batch, or arguments have no halves: then half of the batch gives something
        else, or an error, and from the next call on the batch is computed as a whole.
        """
        whole = calls.whole()
        try:
            guiding = calls.one(0, *first)
            exact = close(guiding, half(whole, shape, 1))
            if exact:
                self._first(latents_of(*first), guiding)
                calls.rest(other, lambda: half(whole, shape, 0))
        except _DEVICE:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError):
            exact = False
        self._pairs.note_exact(shape, exact)
        return whole

    def other(self, branch: Branch, row: Row, latents: torch.Tensor | None, compute: Callable[[], Any]) -> Any:
        """Return the output of a call after the first: made from the first one's, or computed and compared with it."""
        column = branch.layout.guidance
        assert column is not None
        recall = row.recalls.get(column)
        if recall is not None:
            known = column not in branch.observed and (self._equal > 1 or self._same(latents))
            now, packing = self._first_output() if known else None, self._packing
            difference = branch.take(column, recall) if now is not None else None
            if now is not None and packing is not None and difference is not None and _alike(now, difference):
                made = [a + b.to(a.dtype) for a, b in zip(now, difference, strict=True)]
                branch.free(column, recall)
                return repacked(made, packing)
            branch.computed_after_all(column)
        output = compute()
        if recall is None and column in branch.kept(row):
            now, given = self._first_output(), packed(output)[0]
            stored = column in row.stores
            if now is not None and _alike(now, given) and (not stored or self._same(latents)):
                branch.put(column, [b - a for a, b in zip(now, given, strict=True)])
        return output

    def _first(self, latents: torch.Tensor | None, output: Any) -> None:
        found, self._packing = packed(output)
        self._latents = None if latents is None else (latents, version(latents))
        self._kept += [LatestTensor() for _ in found[len(self._kept) :]]
        for kept, tensor in zip(self._kept, found, strict=False):
            kept.keep(tensor)
        for kept in self._kept[len(found) :]:
            kept.drop()

    def _first_output(self) -> list[torch.Tensor] | None:
        """What the first call returned; None if there was none, or the pipeline has written into it."""
        if self._packing is None:
            return None
        found = [kept.get() for kept in self._kept[: len(self._packing[1])]]
        whole = [tensor for tensor in found if tensor is not None]
        return whole if len(whole) == len(found) else None

    def _same(self, latents: torch.Tensor | None) -> bool:
        """Whether a call is given the latents that the step's first call was given."""
        if latents is None or self._latents is None:
            return False
        first, seen = self._latents
        if latents.shape != first.shape or latents.dtype != first.dtype or version(first) != seen:
            return False
        if self._paired or latents is first:
            return True
        same = torch.equal(latents, first)
        self._equal = self._equal + 1 if same else 0
        return same


def half(value: Any, shape: tuple[int, ...], which: int) -> Any:
    """Return one half of a doubled batch in arguments, however nested.

    A tensor is halved if its first dimension is the batch (`by_sample`); a list if it is as long and holds no tensors:
    then it has an entry for each sample. All else is the same for both halves, and so are rotary positions by their
    name: as many frames or rows as samples are no samples.

    Args:
        value: tensors, in any lists, tuples and mappings.
        shape: of the latents, whose first dimension is the batch, doubled.
        which: 0 for the former half, 1 for the latter.
    """
    batch = shape[0]
    if isinstance(value, torch.Tensor):
        return value.chunk(2)[which] if by_sample(value, shape) else value
    if isinstance(value, list) and len(value) == batch and not any(True for _ in list_tensors(value)):
        return value[: batch // 2] if which == 0 else value[batch // 2 :]
    if isinstance(value, dict):
        return {key: entry if _is_position(key) else half(entry, shape, which) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(half(entry, shape, which) for entry in value)
    return value


def _is_position(name: object) -> bool:
    return isinstance(name, str) and any(hint in name for hint in ("rotary", "rope", "freqs"))


class KeepHalves:
    """A leaf computes for both halves of a batch, and what it gives is stored half by half, each with its branch.

    What has not the batch as its first dimension after all is not stored, so that its readers compute.

    Args:
        shape: of the latents, whose first dimension is the batch, doubled.
        keeps: of the guiding half, which is the latter, and of the other; None for one that is not read later.
    """

    __slots__ = ("keeps", "shape")

    computing = True
    """The module itself runs."""

    def __init__(self, shape: tuple[int, ...], keeps: tuple[Keep | None, Keep | None]) -> None:
        self.shape = shape
        self.keeps = keeps

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        output = original(module, *args, **kwargs)
        if all(by_sample(tensor, self.shape) for tensor in list_tensors(output)):
            for which, keep in zip((1, 0), self.keeps, strict=True):
                if keep is not None:
                    parts = (half(value, self.shape, which) for value in (output, args, kwargs))
                    keep.stored(*parts)
        return output


def alike(first: Branch, other: Branch, step: int) -> bool:
    """Return whether two halves of a batch do the same at a step, so that they may be computed at once.

    That is so where both compute all, and store nothing but leaves whose output has the batch as its first dimension.
    In a branch's first row it is seen which have.
    """
    rows = [branch.plan.row(step) for branch in (first, other)]
    if not (first.calls and other.calls) or any(row is None or row.recalls or row.blanks for row in rows):
        return False
    stored = {
        c
        for branch, row in zip((first, other), rows, strict=True)
        if row
        for c in row.stores - {branch.layout.guidance}
    }
    plain = all(first.layout.components[column].is_leaf for column in stored)
    plain = plain and not any(branch.layout.delicate or branch.unobserved() for branch in (first, other))
    return plain and not (first.uneven | other.uneven) & stored


def join_halves(former: Any, latter: Any) -> Any:
    """Join the outputs of the two halves along the batch."""
    (a, _), (b, packing) = packed(former), packed(latter)
    return repacked([torch.cat(pair) for pair in zip(a, b, strict=True)], packing)


def _alike(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    """Whether two lists of tensors can be subtracted, one by one."""
    pairs = zip(a, b, strict=False)
    return len(a) == len(b) and all(x.shape == y.shape and x.is_floating_point() for x, y in pairs)

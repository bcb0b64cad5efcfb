"""Whether the two halves of a batch are a pair that guidance made, and whether each may be computed alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ...model.outputs import list_tensors


@dataclass
class _Pair:
    """What was seen of batches of one shape and type.

    Attributes:
        since: the first step at which the halves were equal.
        certain: whether they were equal at a later step, too.
        exact: whether a half gives alone what it gives in the batch; None if that was not tried.
        refused: whether they are no pair.
    """

    since: int | None = None
    certain: bool = False
    exact: bool | None = None
    refused: bool = False


class Pairs:
    """What was seen of doubled batches in a pass.

    Equal halves of a first step may be samples of their own, made from one seed: they go apart as the scheduler makes
    its step, so halves that are equal at a later step are a pair. That is looked at wherever both halves are computed,
    and once before one is made from the other. Samples of one seed and one prompt stay equal: what the scheduler steps
    from tells how many there are, and a pair is twice as many.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, ...], _Pair] = {}
        self._step = 0
        self._made: list[tuple[int, ...]] = []
        self._last: list[tuple[int, ...]] = []
        """Shapes of the samples that schedulers stepped from, since the last call and in the step before it."""

    def stepped(self, shape: tuple[int, ...]) -> None:
        """Note that a scheduler made a step from a sample of a shape."""
        self._made.append(shape)

    def _halves(self, shape: tuple[int, ...]) -> bool:
        """Whether a batch has twice the samples that were stepped from: at once, one after the other, or unknown."""
        batches = [made[0] for made in self._last if len(made) == len(shape)]
        return not batches or len(batches) < len(self._last) or shape[0] // 2 in (*batches, sum(batches))

    def may(self, latents: torch.Tensor, step: int, made: bool, says: bool | None) -> bool:
        """Return whether a batch is taken for a pair at a step; its values are looked at unless that is certain.

        Args:
            latents: of the batch.
            step: number of the step.
            made: whether one half is made from the other at this step.
            says: whether the pipeline guides, if it says so.
        """
        if step != self._step:
            self._step, self._last, self._made = step, self._made, []
        if says is False or len(latents) % 2 or not self._halves(tuple(latents.shape)):
            return False
        pair = self._seen.setdefault(tuple(latents.shape), _Pair())
        if pair.refused or pair.exact is False:
            return False
        if made and pair.certain:
            return True
        if not torch.equal(*latents.chunk(2)):
            pair.refused = True
            return False
        pair.certain = pair.since is not None and step > pair.since
        pair.since = step if pair.since is None else pair.since
        return True

    def proven(self, shape: tuple[int, ...]) -> bool:
        """Return whether a half was shown to give alone what it gives in the batch."""
        return self._seen[shape].exact is True

    def note_exact(self, shape: tuple[int, ...], exact: bool) -> None:
        """Note that a half was computed alone."""
        self._seen[shape].exact = exact


_NEAR = {torch.float16: 1e-2, torch.bfloat16: 4e-2}
"""Relative norm of the difference that rounding may make; kernels differ with the size of a batch."""


def close(a: Any, b: Any) -> bool:
    """Return whether two outputs are the same but for rounding."""
    left, right = list_tensors(a), list_tensors(b)
    if [t.shape for t in left] != [t.shape for t in right]:
        return False
    return all(_close(x, y) for x, y in zip(left, right, strict=True) if x.is_floating_point())


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    size = b.float().norm()
    return bool((a.float() - b.float()).norm() <= _NEAR.get(b.dtype, 1e-3) * size)

"""Conditioning that is made anew for each call, told by its values where nothing else tells it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence

import torch

MOST = 1 << 16
"""Values of a tensor that are looked at, evenly spaced; about half of them where they do not divide its own."""

Digest = tuple[float, float]


class Digests:
    """Two sums over each of a call's tensors: equal tensors have the same, others hardly ever.

    They are waited for when they are first compared; until then they are on the device of the tensors.

    Args:
        tensors: the tensors, by their place in the arguments.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        for place, tensor in tensors.items():
            with contextlib.suppress(RuntimeError, NotImplementedError):  # of subclasses that are not strided
                self._sums[place] = _sums(tensor)
        self._known: dict[str, Digest] = {}

    def __getitem__(self, place: str) -> Digest | None:
        """The digest of the tensor at a place; None if there is none."""
        if self._sums:
            by_device: dict[torch.device, list[str]] = {}
            for name, sums in self._sums.items():
                by_device.setdefault(sums.device, []).append(name)
            for names in by_device.values():
                for name, (a, b) in zip(names, torch.stack([self._sums[n] for n in names]).tolist(), strict=True):
                    self._known[name] = a, b
            self._sums = {}
        return self._known.get(place)


class Seen:
    """Which places of a denoiser's arguments tell its calls by their values.

    One at which a value comes again tells. One that is another in each of two steps goes with the steps, as what a
    ControlNet gives: from then on it tells nothing.
    """

    def __init__(self) -> None:
        self._tell: set[str] = set()
        self._missed: dict[str, set[int]] = {}

    def alike(self, given: Digests, held: Sequence[Digests], places: Iterable[str], step: int) -> list[bool] | None:
        """Return which of some branches hold what a call is given; None if nothing tells.

        Args:
            given: of the call.
            held: of the branches' last calls.
            places: where the call is given what no branch was given as the same tensor.
            step: the call's.
        """
        known = [place for place in places if any(other[place] is not None for other in held)]
        for place in known:
            if any(other[place] == given[place] for other in held):
                self._tell.add(place)
            else:
                self._missed.setdefault(place, set()).add(step)
        telling = [p for p in known if p in self._tell or len(self._missed[p]) < 2]
        return [all(other[p] == given[p] for p in telling) for other in held] if telling else None


def _sums(tensor: torch.Tensor) -> torch.Tensor:
    flat = (torch.view_as_real(tensor) if tensor.is_complex() else tensor).detach().reshape(-1)
    flat = flat[:: max(1, len(flat) // MOST)].float()
    ramp = torch.arange(len(flat), device=flat.device, dtype=flat.dtype).sin()
    return torch.stack([flat.square().sum(), (flat * ramp).sum()])

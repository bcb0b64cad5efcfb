"""What a denoiser call is conditioned on, told by which tensors it is given: never by their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from ..ops.latents import Placed


class Identity(NamedTuple):
    """Which tensor it is: its storage, where it begins there, and its shape. It keeps no tensor alive.

    A storage that is referred to weakly is never taken for one that was allocated in its place.
    """

    storage: StorageWeakRef
    offset: int
    shape: tuple[int, ...]

    def is_of(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor has this identity; False for one that has no storage."""
        try:
            address = tensor.untyped_storage()._cdata
        except (NotImplementedError, RuntimeError):
            return False
        same = bool(address == self.storage.cdata) and tensor.storage_offset() == self.offset
        return same and tensor.shape == self.shape

    @property
    def alive(self) -> bool:
        """Whether somebody still holds the tensor, or a view of it."""
        return not self.storage.expired()  # type: ignore[no-untyped-call]


def conditioning(others: Sequence[Placed], timestep: Any = None) -> dict[str, Identity]:
    """Identity of the tensors that a call is given besides its latents and timestep, by their place in its arguments.

    Args:
        others: its tensors but for the latents, as `tensors_of` returns them.
        timestep: the one that is the timestep.
    """
    found = {}
    for place, tensor in others:
        if tensor is not timestep:
            try:
                storage = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
            except (NotImplementedError, RuntimeError):  # of subclasses that have none
                continue
            found[place] = Identity(storage, int(tensor.storage_offset()), tuple(tensor.shape))
    return found


class Memory:
    """What a branch's calls were conditioned on, and which of the tensors tell it.

    A tensor that is the same in two steps in a row tells the call's conditioning. Hosts make others anew for each call:
    these tell nothing. Before that is known, another tensor is other conditioning if the one before still exists.
    """

    def __init__(self, given: dict[str, Identity], fresh: frozenset[str] = frozenset()) -> None:
        self.given = given
        self._telling: set[str] = set()
        self._fresh = set(fresh)

    def note(self, given: dict[str, Identity]) -> None:
        """Note that a call of the branch was given these."""
        again = {place for place, identity in given.items() if self.given.get(place) == identity}
        self._telling |= again
        self._fresh -= again
        self.given = given

    def is_given(self, others: Sequence[Placed], timestep: Any = None) -> bool:
        """Return whether a call is given at all places what the last one was given, and nothing else.

        Args:
            others: as of `conditioning`.
            timestep: likewise.
        """
        left = len(self.given)  # places are told once each
        for place, tensor in others:
            if tensor is not timestep:
                known = self.given.get(place)
                if known is None or not known.is_of(tensor):
                    return False
                left -= 1
        return left == 0

    def note_again(self) -> None:
        """Note that a call of the branch was given what the last one was given."""
        if self._fresh or not self._telling.issuperset(self.given):
            self.note(self.given)

    def changed(self, given: Mapping[str, Identity]) -> frozenset[str]:
        """Places at which a call is given other conditioning than the branch's."""
        return frozenset(
            place
            for place, before in self.given.items()
            if place in given
            and given[place] != before
            and place not in self._fresh
            and (place in self._telling or before.alive)
        )

    def knows(self, place: str, identity: Identity) -> bool:
        """Return whether the tensor at a place is known to tell calls apart, or is that of the branch's last call."""
        return place in self._telling or self.given.get(place) == identity

    def guessed(self, places: frozenset[str]) -> frozenset[str]:
        """Return those of some places that are not known to tell anything."""
        return places - self._telling

    @property
    def alive(self) -> bool:
        """Whether a call with the same conditioning may come."""
        return all(self.given[place].alive for place in self._telling if place in self.given)

    def shared(self, given: Mapping[str, Identity]) -> set[str]:
        """Places at which a call is given the very tensor that the branch's last one was given."""
        return {place for place, identity in given.items() if self.given.get(place) == identity}

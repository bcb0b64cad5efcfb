"""The feature store: holds computed features from their birth to their last read, and counts their bytes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from .batch_parts import is_part
from .quantization import check_coding, coded_bytes
from .stored_piece import Piece, coded_parts, decoded_parts, owned, write_counts
from .tiers.tier import Tier


class Stale(Exception):  # noqa: N818  (not an error: it tells the reader to compute instead)
    """A stored feature was changed in place after it was stored, so it must not be read."""


class FeatureStore:
    """Features by key. A feature is a list of tensors.

    Tensors are kept as they are, without a copy, unless they are part of something larger that would be kept alive
    with them (but for parts of batches, whose owner sees to that), or unless the caller asks for a copy because the
    host changes its features in place.

    With a coding, a tensor that becomes smaller by it is kept coded, and decoded afresh at each `get`. What is kept is
    then the store's alone: whatever the host does to what it gave or was given, such a tensor is never stale. Bytes are
    those of the codes; a decoded tensor is the reader's, and not counted.

    A feature may come in pieces, where its component runs in slices: a piece that is added follows those before it to
    where they are.

    A feature may be parked in a lower tier: it starts leaving at `park`, is gone from the device at `settle`, starts
    coming back at `fetch`, and is there at `get`. Its bytes count from `put` to `settle` and again from `fetch` on.

    Args:
        tier: where features are parked; needed only for that.
        coding: how features are stored: `none`, `bf16`, `fp8` or `int8`.

    Attributes:
        bytes: held on the device now.
        peak_bytes: the most that were.
        moved: bytes that left for the tier and came back from it.
        stalled: seconds that waiting for the tier held up.

    Raises:
        PolicyError: if there is no coding of that name.
    """

    def __init__(self, tier: Tier | None = None, coding: str = "none") -> None:
        self.tier = tier
        self.coding = check_coding(coding)
        self._features: dict[Hashable, list[Piece]] = {}
        self.bytes = 0
        self.peak_bytes = 0
        self.moved = 0
        self.stalled = 0.0

    def __len__(self) -> int:
        return len(self._features)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._features

    def put(self, key: Hashable, tensors: Sequence[torch.Tensor], *, copy: bool = False) -> int:
        """Store a feature, replacing what the key held; returns its bytes."""
        if key in self._features:
            self.free(key)
        piece = self._piece(tensors, copy)
        self._features[key] = [piece]
        return piece.size

    def put_one(self, key: Hashable, tensor: torch.Tensor) -> bool:
        """Store a feature of one tensor as it is, by the shortest way; False if it would need coding or a copy."""
        size: int = tensor.nbytes
        if self.coding != "none" or tensor.requires_grad or tensor.is_inference():
            return False
        if tensor.untyped_storage().nbytes() > size and not is_part(tensor):
            return False
        if key in self._features:
            self.free(key)
        self._features[key] = [Piece(size, None, [tensor], [(tensor, tensor._version)])]
        self.bytes += size
        if self.bytes > self.peak_bytes:
            self.peak_bytes = self.bytes
        return True

    def get_one(self, key: Hashable) -> torch.Tensor | None:
        """Return the tensor of a feature of one that is here, as it was stored, by the shortest way; None: `get`."""
        pieces = self._features.get(key)
        if pieces is None or len(pieces) != 1:
            return None
        piece = pieces[0]
        tensors = piece.tensors
        if tensors is None or piece.forms is not None or len(tensors) != 1:
            return None
        for tensor, version in piece.seen:
            if tensor._version != version:
                return None
        return tensors[0]

    def size(self, tensors: Sequence[torch.Tensor]) -> int:
        """Return bytes that tensors take when they are stored."""
        if self.coding == "none":
            return sum([t.nbytes for t in tensors])
        return sum(coded_bytes(t.shape, t.dtype, self.coding) for t in tensors)

    def add(self, key: Hashable, tensors: Sequence[torch.Tensor], *, copy: bool = False) -> int:
        """Store a further piece of a feature, after those that it has; returns its bytes.

        Raises:
            KeyError: if the feature is not there.
        """
        pieces = self._features[key]
        piece = self._piece(tensors, copy)
        pieces.append(piece)
        if pieces[0].parked is not None:
            self._park(piece)
        if not pieces[0].counted:
            self._settle(piece)
        return piece.size

    def _piece(self, tensors: Sequence[torch.Tensor], copy: bool) -> Piece:
        tensors = [tensor.detach() if tensor.requires_grad else tensor for tensor in tensors]
        if self.coding != "none":
            coded, forms = coded_parts(tensors, self.coding, copy)
            size = sum(t.nbytes for t in coded)
            self._count(size)
            return Piece(size, forms, coded, write_counts(coded))
        kept: list[torch.Tensor] = []
        seen: list[tuple[torch.Tensor, int]] = []
        size = 0
        for tensor in tensors:
            nbytes = tensor.nbytes
            larger = tensor.untyped_storage().nbytes() > nbytes and not is_part(tensor)
            if copy or larger or tensor.is_inference():
                own = owned(tensor, tensors, copy)
                seen += write_counts([own])
            else:
                own = tensor
                seen.append((own, own._version))
            kept.append(own)
            size += nbytes
        self._count(size)
        return Piece(size, None, kept, seen)

    def _count(self, size: int) -> None:
        self.bytes += size
        if self.bytes > self.peak_bytes:
            self.peak_bytes = self.bytes

    def intact(self, key: Hashable) -> bool:
        """Return whether a feature is there, as it was stored."""
        return key in self._features and all(piece.intact() for piece in self._features[key])

    def pieces(self, key: Hashable) -> int:
        """Return in how many pieces a feature is stored; 0 if it is not there as it was stored."""
        return len(self._features[key]) if self.intact(key) else 0

    def get(self, key: Hashable, *, copy: bool = False, piece: int | None = None) -> list[torch.Tensor]:
        """Return the tensors of a feature; waits for it if it is coming back.

        Args:
            key: the feature's.
            copy: whether the reader will write into them. Decoded tensors are the reader's own anyway; those that were
                stored as they are are handed out without a copy otherwise.
            piece: the number of the only piece that is wanted, where there are several.

        Raises:
            KeyError: if it is not there.
            Stale: if one of them was changed in place since it was stored.
            GenerationError: if the tier lost it.
        """
        pieces = self._features[key]
        if piece is not None:
            pieces = [pieces[piece]]
        for part in pieces:
            if not part.intact():
                raise Stale(key)
        if self.tier is not None:
            self.fetch(key)
        if len(pieces) > 1:
            return [tensor for part in pieces for tensor in self._take(part, copy)]
        (part,) = pieces
        if part.tensors is not None and part.forms is None and not copy:
            return part.tensors
        return self._take(part, copy)

    def _take(self, piece: Piece, copy: bool) -> list[torch.Tensor]:
        if piece.tensors is None:
            assert piece.parked is not None
            piece.tensors, seconds = piece.parked.take()
            piece.seen = write_counts(piece.tensors)
            self.stalled += seconds
        if piece.forms is None:
            return [t.clone() for t in piece.tensors] if copy else piece.tensors
        return decoded_parts(piece.tensors, piece.forms, copy)

    def park(self, key: Hashable) -> None:
        """Start moving a feature to the tier; nothing happens if it is there or gone, or was changed in place."""
        for piece in self._features.get(key, ()):
            self._park(piece)

    def _park(self, piece: Piece) -> None:
        if piece.parked is None and piece.intact() and self.tier is not None:
            assert piece.tensors is not None
            piece.parked = self.tier.park(piece.tensors)
            self.moved += piece.size

    def settle(self, key: Hashable) -> None:
        """Let go of a parked feature on the device; waits until it has left. What is not parked stays.

        What was changed in place while it left is forgotten: neither copy is what was stored.
        """
        if not all(self._settle(piece) for piece in self._features.get(key, ())):
            self.free(key)

    def _settle(self, piece: Piece) -> bool:
        """Let go of a parked piece; whether what was parked is what was stored."""
        if piece.parked is None or piece.tensors is None:
            return True
        self.stalled += piece.parked.settle()
        if not piece.intact():
            return False
        piece.tensors, piece.seen = None, []
        piece.counted = False
        self.bytes -= piece.size
        return True

    def fetch(self, key: Hashable) -> None:
        """Start bringing a parked feature back; nothing happens if it is here, on its way, or unknown."""
        for piece in self._features.get(key, ()):
            if piece.parked is not None and not piece.counted:
                piece.counted = True
                self._count(piece.size)
                self.moved += piece.size
                piece.parked.fetch()

    def free(self, key: Hashable) -> None:
        """Forget a feature; nothing happens if it is not there."""
        for piece in self._features.pop(key, ()):
            self.bytes -= piece.size * piece.counted
            if piece.parked is not None:
                piece.parked.drop()

    def entries(self, owner: Hashable) -> dict[Hashable, list[Piece]]:
        """Return the features of an owner, whose keys are tuples that begin with it, to be given to `replace`."""
        mine = [key for key in self._features if isinstance(key, tuple) and key[0] == owner]
        return {key: list(self._features[key]) for key in mine}

    def replace(self, owner: Hashable, entries: dict[Hashable, list[Piece]]) -> None:
        """Have an owner's features be what they were, if none of them was parked since."""
        for key in self.entries(owner):
            self.free(key)
        for key, pieces in entries.items():
            self._features[key] = pieces
            self._count(sum(piece.size for piece in pieces))

    def own(self) -> None:
        """Give parts of batches memory of their own, so that nothing but them is kept alive; stale ones stay so."""
        for pieces in self._features.values():
            for piece in pieces:
                if piece.tensors is not None and piece.intact() and any(map(is_part, piece.tensors)):
                    piece.tensors = [tensor.clone() for tensor in piece.tensors]
                    piece.seen = write_counts(piece.tensors)

    def clear(self) -> None:
        """Forget all features."""
        for key in list(self._features):
            self.free(key)


def version(tensor: torch.Tensor) -> int | None:
    """Return how often a tensor was written into; None for inference tensors, which do not count it."""
    return None if tensor.is_inference() else tensor._version

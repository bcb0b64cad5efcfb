"""What gates look at: tensors of one step against those of another, made into one number. Nothing is synchronised."""

from __future__ import annotations

import torch

from ...memory.latest_tensor import LatestTensor


class Signal:
    """What a gate sees of the deciding call of each step, in the order of the methods.

    A model may register its blocks in another order than it calls them in. If the governed blocks come before the
    first block was seen, the stream that enters them is compared instead of what the signal is named after.
    """

    def __init__(self) -> None:
        self.kept = (LatestTensor(), LatestTensor(), LatestTensor())

    @property
    def bytes(self) -> int:
        """Bytes that are kept from one step to the next."""
        return sum(kept.bytes for kept in self.kept)

    def end(self) -> None:
        """End the pass: nothing is kept."""
        for kept in self.kept:
            kept.drop()

    def begin(self) -> None:
        """Begin a call."""

    def entered(self, stream: torch.Tensor) -> None:
        """Note what enters the first block of the main stream."""

    def modulated(self, given: torch.Tensor) -> None:
        """Note the input of the first layer of the first block."""

    def change(self, stream: torch.Tensor) -> torch.Tensor | None:
        """Return what has changed as the main stream is about to enter the governed blocks, a scalar.

        None if unknown.
        """
        raise NotImplementedError

    def computed(self) -> None:
        """It was decided that this step is computed."""

    def left(self, stream: torch.Tensor) -> None:
        """Note what leaves the governed blocks, which were computed."""


class Residual(Signal):
    """What the head blocks add to the main stream, against what they added at the last computed step."""

    def __init__(self) -> None:
        super().__init__()
        self._residual: torch.Tensor | None = None
        self._entered = False

    def end(self) -> None:
        """End the pass: nothing is kept."""
        super().end()
        self._residual = None

    def begin(self) -> None:
        """Begin a call, in which nothing has entered yet."""
        self._entered, self._residual = False, None
        self.kept[0].drop()

    def entered(self, stream: torch.Tensor) -> None:
        """Keep the stream until the head blocks are through."""
        self._entered = True
        self.kept[0].keep(stream)

    def change(self, stream: torch.Tensor) -> torch.Tensor | None:
        """Compare what was added since; where the head blocks change the stream's shape, compare the stream."""
        entry = self.kept[0].get()
        self.kept[0].drop()
        if entry is not None and entry.shape == stream.shape:
            self._residual = stream - entry
        else:
            self._residual = None if self._entered and entry is None else stream.clone()
        return relative(self._residual, self.kept[1].get())

    def computed(self) -> None:
        """Later steps are compared with this one."""
        if self._residual is None:
            self.kept[1].drop()
        else:
            self.kept[1].keep(self._residual)
        self._residual = None


class Modulated(Signal):
    """What the first attention layer of the first block is given, against the step before."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = False

    def begin(self) -> None:
        """Begin a call, of which the layer's first input is meant."""
        self._seen = False

    def modulated(self, given: torch.Tensor) -> None:
        """Keep it beside that of the step before."""
        if not self._seen:
            self._seen = True
            self.kept[0].keep(given)

    def change(self, stream: torch.Tensor) -> torch.Tensor | None:
        """Compare the two."""
        if not self._seen:
            self.modulated(stream)
        now = self.kept[0].get()
        found = relative(now, self.kept[1].get())
        if now is None:
            self.kept[1].drop()
        else:
            self.kept[1].keep(now)
        self.kept[0].drop()
        return found


class Transformed(Signal):
    """How much the output is expected to change: the change of the input since the step before, times a rate.

    The rate is that of the last two computed steps: by how much the output moved, relative to the input. The result is
    relative to the last computed output.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before, self.computed_from, self.output = self.kept
        self._rate: torch.Tensor | None = None
        self._moved: torch.Tensor | None = None

    def end(self) -> None:
        """End the pass: nothing is kept."""
        super().end()
        self._rate = self._moved = None

    def change(self, stream: torch.Tensor) -> torch.Tensor | None:
        """Estimate it from the input."""
        before, output, found = self.before.get(), self.output.get(), None
        if self._rate is not None and before is not None and output is not None and before.shape == stream.shape:
            found = self._rate * mean(stream - before) / mean(output)
        self.before.keep(stream)
        return found

    def computed(self) -> None:
        """Note how far the input moved since the step computed before."""
        now, then = self.before.get(), self.computed_from.get()
        self._moved = mean(now - then) if now is not None and then is not None and now.shape == then.shape else None
        if now is not None:
            self.computed_from.keep(now)

    def left(self, stream: torch.Tensor) -> None:
        """Note how far the output moved since then."""
        then, self._rate = self.output.get(), None
        if then is not None and self._moved is not None and then.shape == stream.shape:
            self._rate = mean(stream - then) / self._moved
        self.output.keep(stream)


class Magnitude(Signal):
    """The magnitude of what the governed blocks add, against the step before; there is nothing to decide by.

    Attributes:
        ratios: one for each computed step, the first 1 (MagCache, arXiv 2506.09045, eq. 3): norms over channels, their
            ratio averaged over all tokens.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ratios: list[torch.Tensor] = []

    def change(self, stream: torch.Tensor) -> None:
        """Keep what enters."""
        self.kept[0].keep(stream)

    def left(self, stream: torch.Tensor) -> None:
        """Compare what was added; if a text is put before the tokens on the way, those at the end are meant."""
        entry = self.kept[0].get()
        if entry is not None:
            added = stream if stream.shape == entry.shape else stream[:, -entry.shape[1] :]
            now, before = (added - entry).float().norm(dim=-1), self.kept[1].get()
            alike = before is not None and before.shape == now.shape
            self.ratios.append((now / (before + 1e-8)).mean() if before is not None and alike else now.new_ones(()))
            self.kept[1].keep(now)
            self.kept[0].drop()


SIGNALS: dict[str, type[Signal]] = {
    "residual": Residual,
    "modulated": Modulated,
    "transformed": Transformed,
    "magnitude": Magnitude,
}
"""By the name that a gate asks for them with."""


def mean(tensor: torch.Tensor) -> torch.Tensor:
    """Mean magnitude of the elements, a scalar in single precision."""
    return tensor.abs().mean(dtype=torch.float32)


def relative(now: torch.Tensor | None, before: torch.Tensor | None) -> torch.Tensor | None:
    """Relative L1 distance from the older tensor, a scalar; None if there are no two of one shape."""
    if now is None or before is None or now.shape != before.shape:
        return None
    return mean(now - before) / mean(before)

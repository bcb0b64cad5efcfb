"""Process-wide state that a pipeline draws from or changes: each generation has its own while it runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .flags import read_flags, write_flags
from .random_states import NumpyState, RandomStates


class GlobalState:
    """The process-wide state of one generation, which is the process's from its turn until another's.

    It begins with random states of a seed, and the flags that the process has outside of generations.

    Args:
        swap: who has the process's state.
        seed: what its random states begin with.
    """

    def __init__(self, swap: StateSwap, seed: int) -> None:
        self.seed = seed
        self.random: RandomStates | None = None
        self.flags: tuple[Any, ...] | None = None
        self._swap = swap

    def enter(self) -> None:
        """Let it be the state of the process."""
        self._swap.give(self)

    def end(self) -> None:
        """Give the process its own state back, if it had this: the generation is over."""
        self._swap.end(self)


class StateSwap:
    """Exchanges the process's state between generations, and gives it back when none has it."""

    def __init__(self) -> None:
        self._owner: GlobalState | None = None
        self._outside: RandomStates | None = None
        self._flags: tuple[Any, ...] = ()
        self._spare: list[Any] = []
        """Bit generators of generations that are over: a new one takes longer than a turn's exchange."""

    def give(self, to: GlobalState) -> None:
        """Give the state to a generation."""
        if self._owner is to:
            return
        now = self._leave()
        self._owner = to
        if to.random is None:
            to.random = RandomStates(NumpyState(self._spare.pop() if self._spare else np.random.MT19937()))
            to.random.seed(to.seed)
        else:
            to.random.enter()
        write_flags(self._flags if to.flags is None else to.flags, now)

    def take_back(self) -> None:
        """Give the process its own state back, if a generation has it."""
        if self._owner is None or self._outside is None:
            return
        now = self._leave()
        self._owner = None
        self._outside.enter()
        write_flags(self._flags, now)

    def end(self, state: GlobalState) -> None:
        """Forget the state of a generation that is over."""
        if self._owner is state:
            self.take_back()
        if state.random is not None:
            self._spare.append(state.random.numpy.bits)
            state.random = state.flags = None

    def _leave(self) -> tuple[Any, ...]:
        """Remember the state of whoever has it; the flags as they are now."""
        now = read_flags()
        if self._owner is None:
            self._outside, self._flags = RandomStates(NumpyState()), now
            self._outside.leave()
        else:
            self._owner.flags = now
            if self._owner.random is not None:
                self._owner.random.leave()
        return now

"""Outputs of encoders that are held, and given to whoever asks for the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from ....runtime.joint.lane import Lane
from ....runtime.lru import LRU
from ....usage.policies.policy import Item
from ....usage.policies.ranked.gdsf import GDSF
from ..figures import Figures
from .call_keys import key_of
from .kept_output import KeptOutput
from .purity import is_pure, sees_calls
from .watch import Watch

KEPT = "what it returns is kept"
"""Why a call is computed by itself that was asked for before."""

ASKED = 4096
"""Of how many calls it is remembered that they were asked for."""

OVERHEAD = 2000
"""Bytes that an output takes beside its numbers: its key, its form, its places in tables."""


class Asked(NamedTuple):
    """Who asks for a call, and what can be told of it there.

    Attributes:
        by: what has to be the same beside the arguments: whose it is, which LoRAs act, what the thread computes by.
        as_it_was: tells whether the component is what it was between requests.
        spent: tells the seconds that were computed for who asks.
    """

    by: Hashable
    as_it_was: Callable[[], bool]
    spent: Callable[[], float]


class _Held(NamedTuple):
    """An output that is held, by what it is found, and what computing it took."""

    key: Hashable
    output: KeptOutput
    seconds: float


class Conditioning:
    """Holds outputs of encoders, those that save most seconds per byte by how often they are asked for.

    An output is held where it was computed by itself, as a whole, so that it is to the bit that of the plain call.
    A call that is asked for once more, and whose output is not held, is therefore computed by itself.

    Args:
        most: bytes that outputs may take; 0 holds none.
        figures: what is found is counted there.
    """

    def __init__(self, most: int, figures: Figures) -> None:
        self._most, self._figures = most, figures
        self._change = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._policy = GDSF(self._most)
        self._numbers: dict[Hashable, int] = {}
        self._held: dict[int, _Held] = {}
        self._asked: LRU[Hashable, bool] = LRU(ASKED)
        self._pure: dict[nn.Module, bool] = {}
        self._time = 0
        self._figures.conditioning_bytes = 0

    def forget(self) -> None:
        """Forget all; what is being computed meanwhile is not kept. Any thread may call it."""
        with self._change:
            self._start()

    def meet(self, lane: Lane, ask: Callable[[], Asked]) -> Callable[[], Any] | None:
        """Return what makes the output of a call, where that is held; else have it be kept when it is computed.

        Args:
            lane: the call, which waits to be computed; it is changed so that it is watched.
            ask: tells who asks; called where the call is one that is looked for.
        """
        encoder = lane.module
        if not self._most or lane.stage != "encode" or lane.alone or not isinstance(encoder, nn.Module):
            return None
        if self._pure.get(encoder) is False or sees_calls():
            return None
        asked = ask()
        if not asked.as_it_was() or not self._is_pure(encoder):
            return None
        arguments = key_of(lane)
        return None if arguments is None else self._find(lane, (encoder, asked.by, arguments), asked)

    def _is_pure(self, encoder: nn.Module) -> bool:
        """Whether an encoder, which is what it was between requests, is one whose outputs may be held."""
        if encoder not in self._pure:
            self._pure[encoder] = is_pure(encoder)
        return self._pure[encoder]

    def _find(self, lane: Lane, key: Hashable, asked: Asked) -> Callable[[], Any] | None:
        with self._change:
            self._time += 1
            number = self._numbers.get(key)
            if number is not None:
                held = self._held[number]
                self._policy.hit(number, self._time)
                self._figures.conditioning_hits += 1
                self._figures.conditioning_seconds += held.seconds
                return held.output.make
            self._figures.conditioning_misses += 1
            before = self._asked.get(key)
            if before is not False:
                self._asked[key] = True
                lane.alone = KEPT if before else ""
                lane.original = Watch(lane, asked.as_it_was, asked.spent, partial(self._keep, self._policy, key))
        return None

    def _keep(self, policy: GDSF, key: Hashable, output: KeptOutput | None, seconds: float) -> None:
        """Hold an output as long as it is worth its bytes; None is one that cannot be held.

        Args:
            policy: the policy when it was asked for: all may have been forgotten since.
            key: what it is found by.
            output: what was returned.
            seconds: that computing it took.
        """
        with self._change:
            if policy is not self._policy or key in self._numbers:
                return
            size = 0 if output is None else output.nbytes + OVERHEAD
            if output is None or size > self._most:
                self._asked[key] = False
                return
            self._time += 1
            number = self._time
            self._numbers[key], self._held[number] = number, _Held(key, output, seconds)
            for gone in policy.add(Item(number, size, seconds), self._time):
                del self._numbers[self._held.pop(gone).key]
            self._figures.conditioning_bytes = policy.bytes

"""A call of an encoder that is watched, so that its output can be kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any

from ....model.outputs import list_tensors
from ....runtime.joint.lane import Lane
from ....runtime.joint.proof import is_out_of_memory, random_states, same_states
from .call_keys import key_of
from .kept_output import KeptOutput, address_of, copy_output
from .purity import is_pure

Keep = Callable[[KeptOutput | None, float], None]
"""Takes an output, or None where it cannot be kept, and the seconds that computing it took."""


class Watch:
    """Stands for what calls an encoder, and has the output of one call be kept.

    It is kept where the encoder is called as was asked: with the very arguments, so neither together with others nor in
    pieces. Not where computing has drawn random numbers, or written into what it was given or into the encoder, and
    where its output is, or shares memory with, one of these.

    Args:
        lane: the call.
        as_it_was: tells whether the encoder is what it was between requests.
        spent: tells the seconds that were computed for who asks: a call that pauses on its way tells of them.
        keep: is told the output.
    """

    def __init__(self, lane: Lane, as_it_was: Callable[[], bool], spent: Callable[[], float], keep: Keep) -> None:
        self._original, self._args, self._kwargs = lane.original, lane.args, lane.kwargs
        self._arguments = key_of(lane)
        self._as_it_was, self._spent, self._keep = as_it_was, spent, keep

    def __call__(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the encoder."""
        if not self._is_asked_for(args, kwargs):
            return self._original(module, *args, **kwargs)
        states, spent, began = random_states(), self._spent(), time.perf_counter()
        output = self._original(module, *args, **kwargs)
        seconds = time.perf_counter() - began
        if self._spent() > spent:  # others had their turns meanwhile
            seconds = self._spent() - spent
        if self._as_it_was():
            same = is_pure(module) and all(map(same_states, states, random_states()))
            self._keep(self._copy(Lane(module, self._original, args, kwargs), output) if same else None, seconds)
        return output

    def _is_asked_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if len(args) != len(self._args) or kwargs.keys() != self._kwargs.keys():
            return False
        return all(map(is_, args, self._args)) and all(kwargs[name] is value for name, value in self._kwargs.items())

    def _copy(self, lane: Lane, output: Any) -> KeptOutput | None:
        if key_of(lane) != self._arguments:
            return None
        try:
            return copy_output(output, set(_addresses(lane)))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None


def _addresses(lane: Lane) -> Iterator[int]:
    """Where a call's arguments are, and the weights and buffers of what it calls."""
    given = list_tensors((lane.args, lane.kwargs))
    for tensor in (*given, *lane.module.parameters(), *lane.module.buffers()):
        if (address := address_of(tensor)) != 0:
            yield address

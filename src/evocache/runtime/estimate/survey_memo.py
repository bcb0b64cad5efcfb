"""What is found out of a module's calls, kept by the form of the call: none of it depends on a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import nn

from ...memory.rehearsal.rehearsal import signature
from ..call_key import state_of
from ..lru import LRU
from .acts import Act

Found = TypeVar("Found")

SURVEYS = 32
"""How many surveys of a module are kept."""

_surveys: WeakKeyDictionary[nn.Module, LRU[object, Any]] = WeakKeyDictionary()


def find_once(module: nn.Module, act: Act, what: object, survey: Callable[[], Found]) -> Found:
    """Return what is found out of a call, once for each form of it and state of the module.

    Args:
        module: what is called; what was found goes with it.
        act: the call.
        what: what is found out, and all that it depends on besides.
        survey: finds it out.
    """
    known = _surveys.setdefault(module, LRU(SURVEYS))
    paths = tuple(name for name, _ in module.named_modules())
    found: Found = known.get_or_make(
        (act.method, signature(act.args, act.kwargs), paths, state_of(module), what), survey
    )
    return found

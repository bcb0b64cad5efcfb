"""Copies of schedulers, tokenizers and processors: whatever calls write on is copied, what they only read is shared."""

from __future__ import annotations

import copy
import enum
import types
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import nn

ATOMS = (
    *(bool, int, float, complex, str, bytes, type(None), range, type, enum.Enum, torch.dtype, torch.device),
    *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, nn.Module, torch.Generator),
)
"""What is shared: nothing of it can be written, or it has the weights, or it is a stream of the caller's own."""

_QUICK = frozenset(ATOMS)

SMALL = 256
"""A tokenizer's tables are copied up to so many entries; its vocabularies, which no call writes, are shared."""

Memo = dict[int, Any]
"""Copies by the id of what they are of; what is copied twice is one thing in the copy, too."""


def own_copy(thing: Any, memo: Memo) -> Any:
    """Return a copy that nothing done to it tells the original of; modules are shared.

    It does what `copy.deepcopy` does, of what pipelines consist of, in a tenth of the time. The tables of tokenizers in
    native code are shared: how they pad and cut is set anew at each of their calls, and no two run at a time.

    Args:
        thing: a scheduler, tokenizer, processor, guider, or a container.
        memo: copies that were made.
    """
    kind: Any = type(thing)
    if kind in _QUICK or isinstance(thing, ATOMS):
        return thing
    if id(thing) in memo:
        return memo[id(thing)]
    if kind is torch.Tensor and not thing.requires_grad:
        made = thing.clone()
    elif kind is np.ndarray and not thing.dtype.hasobject:
        made = thing.copy()
    elif kind in (list, set, tuple):
        made = kind(own_copy(each, memo) for each in thing)
    elif kind is dict:
        made = {key: own_copy(value, memo) for key, value in list(thing.items())}
    elif isinstance(thing, OrderedDict):
        made = _own_config(thing, memo)
    elif callable(getattr(kind, "convert_tokens_to_ids", None)):
        made = _own_tokenizer(thing)
    elif has_parts(thing) and "__deepcopy__" not in vars(thing):  # else somebody follows its calls
        made = kind.__new__(kind)
        vars(made).update({name: own_copy(value, memo) for name, value in list(vars(thing).items())})
    else:
        made = copy.deepcopy(thing, memo)
    memo[id(thing)] = made
    return made


def has_parts(thing: Any) -> bool:
    """Return whether a thing is a scheduler, guider or processor: it has a config of diffusers, or a tokenizer."""
    attributes = getattr(thing, "__dict__", ())
    return "_internal_dict" in attributes or "tokenizer" in attributes


def _own_config(config: Any, memo: Memo) -> Any:
    """A config, whose class forbids writing, and whose entries are attributes as well; some pipelines set these."""
    kind: Any = type(config)
    made = kind.__new__(kind)
    for key, value in config.items():
        OrderedDict.__setitem__(made, key, own_copy(value, memo))
    vars(made).update({name: own_copy(value, memo) for name, value in vars(config).items()})
    return made


def _own_tokenizer(tokenizer: Any) -> Any:
    made = copy.copy(tokenizer)
    for name, value in vars(made).items():
        if type(value) in (list, dict, set) and len(value) <= SMALL:
            vars(made)[name] = copy.copy(value)
    return made

"""What a call of a pipeline is asked for: a number of steps, or timesteps of its caller's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

STEPS = "num_inference_steps"
"""The argument of diffusers' pipelines."""

OWN = ("timesteps", "sigmas")
"""Arguments that say more than a number of steps does."""


_known: WeakKeyDictionary[Callable[..., Any], inspect.Signature] = WeakKeyDictionary()
"""Signatures of pipelines' calls, as long as these are there."""


def signature_of(call: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of the `__call__` of a pipeline's class, which is asked for at each call."""
    try:
        known = _known.get(call)
    except TypeError:  # of what is called nothing can be kept
        return inspect.signature(call)
    if known is None:
        known = _known[call] = inspect.signature(call)
    return known


def takes_steps(call: Callable[..., Any], given: Mapping[str, Any]) -> bool:
    """Return whether a call with these keyword arguments may be given a number of steps, or another one."""
    return STEPS in signature_of(call).parameters and all(given.get(name) is None for name in OWN)


def usual_steps(call: Callable[..., Any]) -> int | None:
    """Return the number of steps of a call that asks for none; None if the pipeline does not say."""
    parameter = signature_of(call).parameters.get(STEPS)
    return parameter.default if parameter is not None and isinstance(parameter.default, int) else None


def steps_of(call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
    """Return the number of steps that a call asks for, in whatever way; None if it does not say."""
    try:
        given = {**kwargs, **signature_of(call).bind_partial(*args, **kwargs).arguments}
    except TypeError:
        return None
    if given.get("timesteps") is not None:
        return len(given["timesteps"])
    if given.get("sigmas") is not None:  # whoever solves by itself is given the last one as well
        return len(given["sigmas"]) - (float(given["sigmas"][-1]) == 0)
    steps = given.get(STEPS)
    return steps if isinstance(steps, int) else usual_steps(call)


def leaves_steps_open(call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call asks for no number of steps, no timesteps and no sigmas, though it may ask for one."""
    try:
        given = signature_of(call).bind_partial(*args, **kwargs).arguments
    except TypeError:  # the pipeline will say what is wrong with it
        return False
    return takes_steps(call, given) and given.get(STEPS) is None

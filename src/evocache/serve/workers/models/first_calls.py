"""The first generations of a model: those that warm it up, and one that is timed."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ....errors import Error, ModelError, shorten
from ....loading.example_call import make_example_call
from ....runtime.program.step_arguments import STEPS
from ..task import Value
from .arguments import find_defaults

FEW = 2
"""Steps that warm up."""

Call = Callable[[Mapping[str, Any]], Any]


def warm_up(pipe: Any, defaults: Mapping[str, Value], call: Call) -> bool:
    """Generate in few steps, and return whether that worked.

    Args:
        pipe: the pipeline.
        defaults: of the model: the size of a picture that it is given.
        call: calls it with arguments, and waits.
    """
    steps = find_defaults(pipe).get(STEPS)
    few = {STEPS: min(FEW, steps)} if isinstance(steps, int) else {}
    try:
        call({**_example(pipe, defaults), **few})
    except Exception:  # of a pipeline that is used, what is wrong shows again
        return False
    return True


def time_generation(name: str, pipe: Any, call: Call) -> tuple[Any, float]:
    """Generate as usual; return what that gave, and its seconds.

    Args:
        name: of the model.
        pipe: its pipeline.
        call: calls it with arguments, and waits.

    Raises:
        ModelError: if the pipeline refuses a plain call.
        Error: of evocache, as whatever is below raises it, such as `BudgetError`.
    """
    usual = _example(pipe, find_defaults(pipe))
    began = time.perf_counter()
    try:
        output = call(usual)
    except Error:
        raise
    except Exception as error:
        given = f"model {name!r}, whose first generation failed ({type(error).__name__}: {shorten(error)})"
        expected = f"a pipeline that is called with {', '.join(usual)}"
        raise ModelError(given, expected, "name another, or try it with evocache generate") from error
    return output, time.perf_counter() - began


def _example(pipe: Any, defaults: Mapping[str, Value]) -> dict[str, Any]:
    """The arguments of a plain call."""
    usual = make_example_call(pipe, defaults)
    if "generator" in inspect.signature(type(pipe).__call__).parameters:
        usual["generator"] = torch.Generator("cpu").manual_seed(0)
    return usual

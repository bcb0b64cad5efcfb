"""Models that are named by their architecture, `arch:flux-dev-1024`: counted without weights, never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import InputError, ModelError, PipelineError
from ...loading.dtypes import find_dtype
from .call_arguments import parse_settings

if TYPE_CHECKING:
    from ...model.architectures import Architecture
    from ...model.probe import Probe


def is_architecture(model: str) -> bool:
    """Return whether a model is named by its architecture."""
    return model.startswith("arch:")


def find_architecture(model: str) -> Architecture:
    """Find the architecture of a name.

    Raises:
        ModelError: if there is none of that name.
    """
    from ...model.architectures import find_architecture

    try:
        return find_architecture(model)
    except PipelineError as error:
        raise ModelError(error.given, error.expected, error.mend) from None


def count_architecture(
    model: str, given: Sequence[str], *, dtype: str, device: str, stages: bool
) -> tuple[Architecture, Probe]:
    """Return an architecture in the shape that is asked for, and what its components cost.

    Args:
        model: its name.
        given: texts `name=value` of `--set`: numbers of the call's shape.
        dtype: of features; `auto` is bfloat16.
        device: must be `auto`, since nothing is computed.
        stages: whether the memory of a real generation is asked for, which there is none of.

    Raises:
        ModelError: if there is none of that name.
        PipelineError: if it cannot have such a shape.
        InputError: if something is asked for that only a pipeline can answer.
    """
    found = find_architecture(model)
    if stages or device != "auto":
        option = "--stages" if stages else f"--device {device}"
        raise InputError(f"{option} of {model}", "a pipeline with weights", f"leave out {option.split()[0]}")
    wanted = find_dtype(dtype)
    shaped = found.shaped(**parse_settings(given))
    return shaped, shaped.probe(wanted)

"""Calling any pipeline: its arguments, one generator a prompt, its output as pictures."""

from __future__ import annotations

import difflib
import inspect
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import Error, InputError, short, shorten
from ...loading.example_call import IMAGE, MASK, make_example_call
from . import argument_files

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


def select_arguments(pipe: Any, **wanted: Any) -> dict[str, Any]:
    """Return the arguments of the pipeline's call: what is wanted and not None; a mask by the pipeline's own name.

    Raises:
        InputError: if the pipeline does not take one of them.
    """
    accepted = inspect.signature(type(pipe).__call__).parameters
    given = {name: value for name, value in wanted.items() if value is not None}
    if MASK not in accepted and "mask" in accepted and MASK in given:
        given["mask"] = given.pop(MASK)
    for name in given:
        if name not in accepted:
            known = [n for n, p in accepted.items() if n != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
            near = difflib.get_close_matches(name, known, 1)
            mend = f"did you mean {near[0]}?" if near else "leave it out"
            if name in (IMAGE, MASK):
                mend = "save such a pipeline: AutoPipelineForImage2Image, or ...ForInpainting, .from_pipe(pipe)"
            raise InputError(f"argument {name} for a {type(pipe).__name__}", f"one of {', '.join(known)}", mend)
    return given


def parse_settings(
    given: Sequence[str] | None, images: Sequence[Path] | None = None, mask: Path | None = None, **named: Any
) -> dict[str, Any]:
    """Parse arguments of a call from texts `name=value`, pictures and named options; read all files.

    A value that begins with an @ names a file (@@ stands for the letter); one that is no JSON is a text. What has an
    option of its own goes before, where it is not None.

    Raises:
        InputError: if a text has not that form, a file cannot be read, or a number is none.
    """
    if mask is not None and not images:
        raise InputError(f"--mask {str(mask)!r} alone", "the picture that the mask is for", "give one with --image")
    found: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--set {text!r}", "the form name=value", 'write --set negative_prompt="blurry"')
        found[name] = (
            argument_files.read_argument(Path(value[1:]))
            if value[:1] == "@" != value[1:2]
            else _parse_value(text, value)
        )
    pictures = [argument_files.read_picture(path) for path in images or ()]
    if pictures:
        found[IMAGE] = pictures[0] if len(pictures) == 1 else pictures
    if mask is not None:
        found[MASK] = argument_files.read_mask(mask)
    return found | {name: value for name, value in named.items() if value is not None}


def _parse_value(text: str, value: str) -> Any:
    """Parse JSON; return the text itself if it is none."""
    if value.startswith("@@"):
        return value[1:]
    try:
        found = json.loads(value)
    except ValueError:
        return value
    except RecursionError:
        raise InputError(f"--set {text[:40]!r}...", "a value that is not nested so deeply", "flatten it") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise InputError(f"--set {text!r}", "a finite number", "choose another value")
    return found


def choose_batch(wanted: int | None, usual: int, given: Mapping[str, Any]) -> int:
    """Choose the prompts in one call: the user's number, else the usual one, but 1 with pictures."""
    return wanted or (1 if any(name in given for name in (IMAGE, MASK)) else usual)


def make_example(pipe: Any, further: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a call such as a user would make, with what the user says besides.

    Raises:
        InputError: if the pipeline does not take an argument.
    """
    return select_arguments(pipe, **{**make_example_call(pipe, further), **further})


def make_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Make one random generator for each prompt, on the CPU: a picture depends on its seed, not on its batch."""
    import torch

    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def call_pipeline(pipe: Any, given: Mapping[str, Any]) -> Any:
    """Call a pipeline and return its output.

    Raises:
        InputError: if the pipeline refuses its arguments, in whatever way; it has the pipeline's own words.
    """
    try:
        return pipe(**given)
    except Error:
        raise
    except Exception as error:  # whatever another library makes of arguments that it did not expect
        raise describe_refusal(pipe, given, error) from error


def describe_refusal(pipe: Any, given: Mapping[str, Any], error: Exception) -> InputError:
    """Describe an error that a pipeline itself raised."""
    from ...search.evaluate.faults import is_device_fault

    hidden = ("generator", "output_type")
    shown = ", ".join(f"{name}={short(value)}" for name, value in given.items() if name not in hidden)
    short_of = is_device_fault(error)
    mend = "lower --batch, or give --memory" if short_of else "change what it names"
    return InputError(
        f"{type(pipe).__name__} called with {shown or 'its own defaults'}",
        f"{'a call that the machine can do' if short_of else 'arguments that it takes'}; it raised "
        f"{type(error).__name__}: {shorten(error, 400)}",
        f"{mend}; evocache --debug shows where it was raised",
    )


def generate_pictures(pipe: Any, prompts: Sequence[str], seeds: Sequence[int], **given: Any) -> list[list[Image]]:
    """Generate pictures of the prompts, each as its frames: one for an image, many for a video.

    Pipelines that take no prompt are called with as many pictures as there are seeds.

    Raises:
        InputError: if the pipeline refuses its arguments, or returns no pictures.
    """
    if "prompt" in inspect.signature(type(pipe).__call__).parameters:
        given = {"prompt": list(prompts), **given}
    output = call_pipeline(pipe, {"generator": make_generators(seeds), "output_type": "pil", **given})
    images = getattr(output, "images", None)
    found: list[list[Image]] = [[i] for i in images] if images is not None else list(getattr(output, "frames", ()))
    if len(found) < len(prompts):
        raise InputError(
            f"{type(output).__name__} of {type(pipe).__name__}", "images or frames", "use a text-to-image pipeline"
        )
    return found

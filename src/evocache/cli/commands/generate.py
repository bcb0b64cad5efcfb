"""`evocache generate`: pictures of prompts, uncached or under a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from inspect import signature
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...loading.example_call import IMAGE
from ...loading.pipelines import load_pipeline
from ...metrics.versions import read_versions
from ..inputs import argument_files
from ..inputs.call_arguments import (
    choose_batch,
    generate_pictures,
    parse_settings,
    select_arguments,
)
from ..inputs.model_loading import MODELS, await_loading
from ..inputs.number_options import MAX_COUNT, MAX_PIXELS, MAX_SEED, MAX_STEPS, check_finite
from ..inputs.prompts import gather
from ..inputs.schedule_choice import Choice, pick
from ..inputs.schedule_options import Memory, MinQuality, Schedule, Speedup, Storage
from ..ui.console import errors, out
from ..ui.failures import make_folder
from ..ui.picture_files import name_file, save_picture
from ..ui.step_count import count_steps
from ..ui.waits import Waits

if TYPE_CHECKING:
    from ...runtime import Handle

BATCH = 4
"""Prompts in one call, where nothing else is said."""

STEPS, GUIDANCE = "num_inference_steps", "guidance_scale"

USUAL = {"model": "zoo:emoji", "dtype": "auto"}
"""What names of files do not speak of."""


class VideoFormat(str, Enum):
    """Formats of videos."""

    mp4 = "mp4"
    gif = "gif"
    webp = "webp"
    png = "png"

    @property
    def suffix(self) -> str:
        """Of the file; none for a folder."""
        return "" if self is VideoFormat.png else f".{self.value}"


def generate(
    words: Annotated[list[str] | None, typer.Argument(metavar="[PROMPT]...", help="What to draw, in quotes.")] = None,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", "-p", help="The same as an option.")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="A file: lines, TSV/CSV, JSON or JSON lines with prompts.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help=MODELS)] = "zoo:emoji",
    schedule: Schedule = None,
    speedup: Speedup = None,
    min_quality: MinQuality = None,
    memory: Memory = None,
    storage: Storage = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of the first prompt; each has the next one.")
    ] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_STEPS, help="Denoising steps; those of the point, or the model's own, if not given."
        ),
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Guidance scale.", callback=check_finite("--guidance", least=0))
    ] = None,
    height: Annotated[int | None, typer.Option(min=1, max=MAX_PIXELS, help="Pixels.")] = None,
    width: Annotated[int | None, typer.Option(min=1, max=MAX_PIXELS, help="Pixels.")] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_COUNT,
            help="Prompts in one call: 4 if not given, 1 with pictures and under gates, whose decisions prompts share.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=MAX_COUNT, help="Use only the first prompts, this many.")
    ] = None,
    image: argument_files.Pictures = None,
    mask: argument_files.Mask = None,
    set_: argument_files.Settings = None,
    out_: Annotated[Path, typer.Option("--out", "-o", help="Folder of the files.")] = Path("out"),
    video_format: Annotated[
        VideoFormat, typer.Option("--video-format", help="Format of videos; png writes a folder of pictures.")
    ] = VideoFormat.mp4,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Generate pictures of prompts as PNG files that carry their parameters, or videos; print the files' names."""
    wanted = parse_settings(
        set_, image, mask, num_inference_steps=steps, guidance_scale=guidance, height=height, width=width
    )
    asked = [*(words or ()), *(prompt or ())]
    texts = [""] if IMAGE in wanted and not asked and not prompts else gather(asked, prompts, limit)
    choice = pick(schedule, speedup, min_quality, holds=memory, model=model)
    target = make_folder(out_)
    with Waits() as wait:
        await_loading(wait, model)
        pipe = load_pipeline(model, device=device, dtype=dtype)
    given = select_arguments(pipe, **(choice.asking(wanted) if choice else wanted))
    from ...policies import Gate
    from ...runtime import apply

    what = choice.what if choice else "none" if memory or storage else None
    handle = apply(pipe, what, memory=memory, storage=storage) if what is not None else None
    size = _choose_batch(batch, handle, given)
    named = _name_settings(pipe, given, choice)
    log = _Log(model, choice, {**_read_defaults(pipe), **given}, handle)
    gated = size if handle is not None and isinstance(handle.program, Gate) and size > 1 else None
    digest = choice.digest if choice else None
    further = {"dtype": dtype, "storage": storage, "model": model, "digest": digest, "batch": gated, **wanted}
    further = {name: value for name, value in further.items() if value is not None and value != USUAL.get(name)}
    further = {name: value for name, value in further.items() if name not in (STEPS, GUIDANCE)}
    written: list[Path] = []
    steps = named["steps"] or 1
    with _name_what_is_written(written, len(texts)), handle or nullcontext(), Waits() as wait:
        wait.count("generating, steps", len(texts) * steps)
        for first in range(0, len(texts), size):
            some = texts[first : first + size]
            seeds = [seed + first + i for i in range(len(some))]
            start = perf_counter()
            with count_steps(pipe, partial(_advance, wait, len(some))):
                pictures = generate_pictures(pipe, some, seeds, **given)
            log.batch(len(some), perf_counter() - start)
            for i, (text, frames) in enumerate(zip(some, pictures, strict=False)):
                name = name_file(first + i, text, seeds[i], named, further)
                path = save_picture(frames, target / name, log.metadata(text, seeds[i]), video_format.suffix)
                written.append(path)
            wait.reach((first + len(some)) * steps)
    _print(written)  # not before, as the bar is on the same terminal
    log.report()


def _advance(wait: Waits, prompts: int, steps: int) -> None:
    """Count steps that have ended for all prompts of a call."""
    wait.advance(prompts * steps)


@contextmanager
def _name_what_is_written(written: list[Path], all_: int) -> Iterator[None]:
    """Within the context, Ctrl-C prints the names of the files that are written so far."""
    try:
        yield
    except KeyboardInterrupt:
        _print(written)
        errors().print(f"interrupted: {len(written)} of {all_} are written")
        raise typer.Exit(130) from None


def _print(written: Sequence[Path]) -> None:
    for path in written:
        out().print(str(path), markup=False, soft_wrap=True)


def _name_settings(pipe: Any, given: Mapping[str, Any], choice: Choice | None) -> dict[str, Any]:
    """Return the settings that files are named by: those of the call, else the defaults of the pipeline."""
    usual = _read_defaults(pipe)
    return {
        "steps": given.get(STEPS, usual.get(STEPS)),
        "guidance": given.get(GUIDANCE, usual.get(GUIDANCE)),
        "schedule": choice.name if choice else "uncached",
    }


def _read_defaults(pipe: Any) -> dict[str, float]:
    """Read the numbers that are defaults of a pipeline's call."""
    parameters = signature(type(pipe).__call__).parameters
    return {name: p.default for name, p in parameters.items() if isinstance(p.default, (int, float))}


def _choose_batch(wanted: int | None, handle: Handle | None, given: Mapping[str, Any]) -> int:
    """Choose the number of prompts in one call. A gate decides for all of them: pictures depend on each other."""
    from ...policies import Gate

    gate = handle.program if handle is not None and isinstance(handle.program, Gate) else None
    size = choose_batch(wanted, 1 if gate else BATCH, given)
    if gate and size > 1:
        description = (
            f"{gate} is a gate: it decides for all {size} prompts of a call, so that a picture depends on the others"
        )
        errors().print(f"note: {description}; --batch 1 decides for each alone", style="yellow", markup=False)
    return size


@dataclass
class _Log:
    """What is known of the pictures made so far."""

    model: str
    choice: Choice | None
    given: Mapping[str, Any]
    handle: Handle | None
    images: int = 0
    seconds: float = 0.0
    peak: int = field(default=0)

    def batch(self, images: int, seconds: float) -> None:
        self.images += images
        self.seconds += seconds
        if self.handle:
            self.peak = max(self.peak, self.handle.stats.peak_cached_bytes)

    def metadata(self, prompt: str, seed: int) -> dict[str, Any]:
        """Return the text chunks of one picture."""
        made = self.handle.stats.schedule if self.handle else None
        named = {
            "steps": made.steps if made else self.given.get("num_inference_steps"),
            "guidance": self.given.get("guidance_scale"),
            "height": self.given.get("height"),
            "width": self.given.get("width"),
            "schedule": made.digest if made else "uncached",
            "storage": self.handle.storage if self.handle and self.handle.storage != "none" else None,
            "schedule origin": (made.provenance.origin or self.choice.name) if made and self.choice else None,
        }
        return {
            "model": self.model,
            "prompt": prompt,
            "seed": seed,
            **{name: value for name, value in named.items() if value is not None},
            "versions": ", ".join(f"{name} {number}" for name, number in read_versions().items()),
        }

    def report(self) -> None:
        from ...tables import in_bytes, in_percent, in_seconds

        parts = [f"{self.images} image{'s' * (self.images != 1)}", f"{in_seconds(self.seconds / self.images)} an image"]
        if self.handle:
            stats = self.handle.stats
            parts += [f"{in_percent(stats.executed_fraction)} executed", f"{in_bytes(self.peak)} cached at most"]
            if self.handle.memory is not None and self.handle.memory.stages:
                parts.append(f"planned to hold {in_bytes(self.handle.memory.peak)}")
        else:
            parts.append("uncached")
        if self.choice and self.choice.description:
            out().print(self.choice.description, markup=False)
        out().print(", ".join(parts), markup=False)

"""`evocache evolve`: a front of schedules for a model, found by evolution."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .call import arguments, settings
from .console import errors
from .failures import InputError
from .front import show_front
from .generate import MODELS
from .load import load_pipeline
from .prompts import gather

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..search.run import Progress

HELD_OUT = 32
"""Prompts that a front is proven on, where the user names none."""


def evolve(
    model: Annotated[str, typer.Option("--model", "-m", help=MODELS)] = "zoo:emoji",
    out_: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; one that exists is gone on with.")
    ] = Path("runs/evolve"),
    prompts: Annotated[Path | None, typer.Option(help="File of prompts to calibrate and evolve on.")] = None,
    held_out: Annotated[Path | None, typer.Option(help="File of prompts to prove the front on.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many prompts to evolve on.")] = 16,
    budget: Annotated[str, typer.Option(help="Time to evolve for: 90s, 10m, 2h; or none.")] = "10m",
    generations: Annotated[int, typer.Option(min=0, help="Most generations.")] = 1000,
    objective: Annotated[
        list[str] | None, typer.Option(help="Beside the error: latency (default), macs or memory; may be repeated.")
    ] = None,
    quality: Annotated[str, typer.Option(help="latent, psnr, ssim, or module:function, a reward of yours.")] = "latent",
    max_memory: Annotated[str | None, typer.Option(help="Most bytes of cached features: 200MB.")] = None,
    steps: Annotated[int | None, typer.Option(min=2, help="Denoising steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search and of the first prompt.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Prompts in one call.")] = 16,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another argument of the pipeline's call.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Evolve a Pareto front of caching schedules; Ctrl-C stops it cleanly, the same command goes on."""
    seconds = in_seconds(budget)
    texts, proof = _prompts(model, prompts, held_out, count, seed)
    pipe, defaults = load_pipeline(model, device=device, dtype=dtype)
    named = {"num_inference_steps": steps} if steps else {}
    call = arguments(pipe, defaults, **{**settings(set_ or []), **named})
    from ..search.api import evolve as run
    from ..search.evolution import Settings
    from ..search.proof import read_proof

    live = _Live(seconds)
    with live:
        run(
            pipe,
            texts,
            call=call,
            out=out_,
            budget_seconds=seconds,
            held_out=proof,
            objectives=tuple(objective or ("latency",)),
            judge=quality,
            max_memory=max_memory,
            settings=Settings(
                prompts=len(texts), rungs=(4,) if len(texts) > 4 else (), generations=generations, seed=seed
            ),
            batch=batch,
            tell=live.tell,
            stage=live.stage,
        )
    show_front(read_proof(out_))


def in_seconds(text: str) -> float | None:
    """Seconds of a duration such as `90s`, `10m`, `1.5h`; None for `none`.

    Raises:
        InputError: if it is none.
    """
    if text == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match:
        raise InputError(f"budget {text!r}", "a duration such as 90s, 10m or 2h, or none", "write one of these")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _prompts(
    model: str, prompts: Path | None, held_out: Path | None, count: int, seed: int
) -> tuple[list[str], list[str]]:
    """Prompts to evolve on, and others to prove on."""
    proof = gather([], held_out) if held_out else []
    if prompts is not None:
        texts = gather([], prompts)
        return texts[:count], proof or texts[count : count + HELD_OUT]
    if model.removeprefix("zoo:") != "emoji":
        raise InputError(f"no prompts for {model}", "a file of prompts", "give one with --prompts")
    from ..zoo.prompts import sample_prompts

    return sample_prompts(count, seed), proof or sample_prompts(HELD_OUT, seed + 1, held_out=True)


class _Live:
    """A display on stderr of where the run is, and Ctrl-C as a wish to stop after the generation."""

    def __init__(self, budget: float | None) -> None:
        from rich.live import Live

        self.budget = budget
        self.stopping = False
        self.name = "loading"
        self.progress: Progress | None = None
        self._live = Live(console=errors(), transient=True, get_renderable=self._shown, refresh_per_second=2)

    def __enter__(self) -> _Live:
        import signal

        self._before = signal.signal(signal.SIGINT, self._interrupted)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        import signal

        self._live.stop()
        signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, number: int, frame: Any) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True

    def stage(self, name: str) -> None:
        """What is being done."""
        self.name = name

    def tell(self, progress: Progress) -> bool:
        """A generation has ended; whether to stop."""
        self.progress = progress
        return self.stopping

    def _shown(self) -> RenderableType:
        from rich.text import Text

        parts = [f"{self.name}"]
        if self.progress is not None:
            state = self.progress.state
            left = "" if self.budget is None else f" of {self.budget:.0f}"
            points: Mapping[str, int] = {"schedules": len(state.points), "evaluations": state.jobs}
            figures = ", ".join(f"{count} {name}" for name, count in points.items())
            parts.append(f"generation {state.generation}: {figures}, {self.progress.seconds:.0f}{left} s")
        if self.stopping:
            parts.append("stopping after this generation; Ctrl-C again breaks off")
        return Text("  ".join(parts), style="dim")

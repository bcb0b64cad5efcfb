"""Models one after another within a time, each with its contenders; results are written as they come."""

from __future__ import annotations

import argparse
import gc
import re
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging

from benchmarks.environment import write
from benchmarks.markdown import markdown_table
from benchmarks.peers.contender import UNCACHED, Contender
from benchmarks.sizes.field import entrants
from benchmarks.sizes.measure import Limits, measure
from benchmarks.sizes.models import MODELS, sample
from evocache import discover
from evocache.tables import in_bytes

EAGER, COMPILED = "eager", "compiled"


def arguments(what: str, models: Sequence[str], out: str, minutes: float) -> argparse.ArgumentParser:
    """Options that all runs have."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(models), help=f"some of {','.join(MODELS)}; flux:10 has 10 steps")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny tries the benchmark itself")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=minutes, help="nothing is begun that would take longer")
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    parser.add_argument("--modes", default=EAGER, help=f"{EAGER}, {COMPILED} (blocks, by torch.compile), or both")
    parser.add_argument("--only", default="", help="regular expression of names of contenders")
    parser.add_argument("--out", default=out, help="name of the result")
    return parser


def run(options: argparse.Namespace, what: str, device: str) -> dict[str, Any]:
    """Measure, write and print. The time is shared out: what one turn does not need is that of those to come.

    A turn is a model in a mode. It is left out, and that is written down, where no time is left, or less than it took
    to make and warm up the same model before. What is raised ends its turn and not the run.
    """
    diffusers_logging.set_verbosity_error()
    began, allowed = time.monotonic(), 60 * options.minutes
    modes = options.modes.split(",")
    turns = [(*_asked(text, options.steps), mode) for text in options.models.split(",") for mode in modes]
    for name, _, mode in turns:
        if name not in MODELS or mode not in (EAGER, COMPILED):
            raise SystemExit(f"{name}, {mode}: expected models {','.join(MODELS)} and modes {EAGER},{COMPILED}")
    head = {"what": what, "device": device, "size": options.size, "seed": 0, "versions of peers": _versions()}
    done: list[dict[str, Any]] = []
    known: dict[str, float] = {}
    for number, (name, steps, mode) in enumerate(turns):
        now = time.monotonic()
        share = (began + allowed - now) / (len(turns) - number)
        limits = Limits(options.rounds, lambda until=now + share: until - time.monotonic())
        found: dict[str, Any] = {"model": name, "compiled": mode == COMPILED}

        def save(row: dict[str, Any], found: dict[str, Any] = found) -> None:
            found.update(row)
            write(options.out, {**head, "models": [*done, found]}, quiet=True)

        if share <= known.get(name, 0.0):
            found["left out"] = f"no time: {share:.0f} s left, making and warming up took {known.get(name, 0.0):.0f} s"
        else:
            try:
                found.update(_measured(name, steps, mode, options, device, limits, save))
            except Exception as error:  # the models after it have their turns
                found["error"] = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
            known[name] = found.get("making seconds", 0.0) + found.get("warm-up seconds", 0.0)
        done.append(found)
        print(table(found), flush=True)
        gc.collect()
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
    result = {**head, "models": done}
    write(options.out, result)
    return result


def _asked(text: str, steps: int) -> tuple[str, int]:
    """A model and its steps: `flux:10`, or as many as the others have."""
    name, _, own = text.partition(":")
    if own and not own.isdigit():
        raise SystemExit(f"{text}: expected a model, or a model and its steps as in flux:10")
    return name, int(own or steps)


def _measured(
    name: str,
    steps: int,
    mode: str,
    options: argparse.Namespace,
    device: str,
    limits: Limits,
    save: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    began = time.monotonic()
    made = sample(name, tiny=options.size == "tiny", device=device, dtype=getattr(torch, options.dtype))
    if mode == COMPILED:
        for block in discover(made.pipe).denoisers[0].blocks:  # as `compile_repeated_blocks`, which not all have
            block.compile()
    entries = _chosen(entrants(made.pipe, steps), options.only)
    save({"making seconds": round(time.monotonic() - began, 2)})
    return measure(made, entries, limits, save, compiled=mode == COMPILED)


def _chosen(contenders: Sequence[Contender], only: str) -> list[Contender]:
    """Those whose name matches, and the untouched pipeline."""
    return [c for c in contenders if c.family == UNCACHED or re.search(only, c.name)]


def table(found: dict[str, Any]) -> str:
    """The figures of a model as Markdown."""
    mode = COMPILED if found["compiled"] else EAGER
    ended = found.get("error", found.get("left out"))
    if not found.get("rows"):
        return f"{found['model']}, {mode}: {ended}\n"
    rows = []
    for row in found["rows"]:
        low, high = row.get("speedup quartiles", ("", ""))
        speedup = 1.0 if row["family"] == UNCACHED and "first seconds" in row else row.get("speedup")
        cells = [
            row["name"],
            "" if speedup is None else f"{speedup:.2f}x",
            "" if low == "" else f"{low:.2f}-{high:.2f}",
            "" if row.get("executed") is None else f"{row['executed']:.0%}",
            *(_bytes(row, key) for key in ("cached bytes", "peak allocated bytes", "bytes alive after the call")),
            _remark(row),
        ]
        rows.append(cells)
    headings = ["contender", "speedup", "quartiles", "work", "cached at most", "allocated at most"]
    lines = [f"{found['model']}, {found['steps']} steps, {mode}, {found['rounds']} rounds", ""]
    lines.append(markdown_table([*headings, "alive after the call", ""], rows, left=(0, 7)))
    if ended:
        lines += ["", f"ended early: {ended}"]
    return "\n".join(lines) + "\n"


def _bytes(row: dict[str, Any], key: str) -> str:
    return in_bytes(row[key]) if key in row else ""


def _remark(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"fails: {row['error'].splitlines()[0][:80]}"
    return row.get("left out") or ("does nothing" if row["no-op"] else "")


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in ("diffusers", "cache-dit", "DeepCache"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found

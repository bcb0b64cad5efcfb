"""What the commands that train the later models have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from training.paths import CACHE


def options(description: str | None, *, minutes: float) -> argparse.ArgumentParser:
    """The arguments of such a command."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=minutes, help="of training, over restarts")
    parser.add_argument("--extend", type=float, default=30, help="minutes to add when a gate is missed")
    parser.add_argument("--limit", type=float, default=2 * minutes, help="minutes of training at most")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=CACHE, help="folder of checkpoints and encoded videos")
    return parser


def until_met(args: argparse.Namespace, stage: Callable[[float], bool]) -> None:
    """Run `stage(minutes)`, which says whether the gates are met; go on with more minutes while they are not."""
    minutes = args.minutes
    while not stage(minutes) and minutes < args.limit:
        minutes = min(minutes + args.extend, args.limit)
        print(f"training on, to {minutes:.0f} minutes", flush=True)

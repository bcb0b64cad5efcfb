"""Counting the denoising steps of a pipeline's calls, by what it tells its own progress bar."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _Written(io.StringIO):
    """What a progress bar writes to: after each step, the number of steps that are done.

    Args:
        advance: is told how many steps were done since.
    """

    def __init__(self, advance: Callable[[int], object]) -> None:
        super().__init__()
        self._advance = advance
        self._done = 0

    def write(self, text: str) -> int:
        number = text.strip()
        if number.isdigit():  # what moves the cursor is none
            done, self._done = self._done, int(number)
            if self._done > done:
                self._advance(self._done - done)
        return len(text)


@contextmanager
def count_steps(pipe: Any, advance: Callable[[int], object]) -> Iterator[None]:
    """Count the steps of a pipeline's calls within the context; its own progress bar is not shown meanwhile.

    A callback would be told of the steps, too, but a callback may decode latents or exchange modules: for it, a
    generation keeps its features until the end, and looks at the denoisers before each step. What only follows a call
    without computing it, to plan its memory, disables the bar and so is not counted. Of a pipeline without a progress
    bar nothing is counted.

    Args:
        pipe: the pipeline; it is left as it was.
        advance: is told how many steps have ended since it was told last.
    """
    hosts = [host for host in (pipe, *vars(pipe).values()) if hasattr(host, "set_progress_bar_config")]
    before = [(host, getattr(host, "_progress_bar_config", {})) for host in hosts]  # one may consist of others
    out = _Written(advance)
    for host in hosts:
        host.set_progress_bar_config(file=out, bar_format="{n}", mininterval=0, miniters=1, disable=False)
    try:
        yield
    finally:
        for host, config in before:
            host.set_progress_bar_config(**config)

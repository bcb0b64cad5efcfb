"""Where commands print: results on stdout, everything else on stderr, third-party noise nowhere."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from ...errors import EvocacheWarning

if TYPE_CHECKING:
    from rich.console import Console

NOISY = ("diffusers", "transformers", "huggingface_hub", "torch")


def out() -> Console:
    """Return the console on stdout."""
    return _make_console()


def errors() -> Console:
    """Return the console on stderr."""
    return _make_console(stderr=True)


def _make_console(*, stderr: bool = False) -> Console:
    """Make a console on which no text can command the terminal: no name in a file, no error of another library."""
    from rich.console import Console
    from rich.segment import Segment

    from ...errors import printable

    class Harmless(Console):
        """Everything that is printed is rendered to segments, and passes here."""

        def render(self, *args: Any, **kwargs: Any) -> Iterable[Segment]:
            for text, style, control in super().render(*args, **kwargs):
                yield Segment(text if control else printable(text), style, control)

    return Harmless(highlight=False, stderr=stderr)


@contextmanager
def silence() -> Iterator[None]:
    """Silence third-party warnings within the context, and print our own as notes on stderr, each of them once."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    # The hosts read these when they are imported, which is later.
    added = {name for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY") if name not in os.environ}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", category=EvocacheWarning)
        warnings.showwarning = _Notes()
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        os.environ.update(dict.fromkeys(added, "error"))
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            for name in added:
                os.environ.pop(name, None)


class _Notes:
    """Shows a warning as a note; what every batch of a command is warned of, only once."""

    def __init__(self) -> None:
        self.shown: set[str] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> Any:
        from rich.text import Text

        text = str(message)
        if text not in self.shown:
            self.shown.add(text)
            errors().print(Text.assemble(("note ", "yellow"), text))

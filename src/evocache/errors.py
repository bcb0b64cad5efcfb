"""The exception tree. Every message says what was given, why it is refused (what was expected),
and what to try, in harmless characters.

```
Error
├── ScheduleError        a grid that is no schedule, or does not fit what it is used for
│   ├── CodecError       bytes or JSON that are no schedule
│   └── MismatchError    a schedule that was made for another model
├── AmountError          an amount of memory that is none
├── FrontError           a wish that no point of a front meets
│   └── ContextError     a call outside of what a front was evolved at
├── RunError             a run folder or an evaluation that cannot be used
│   ├── IdentityError    a run that is continued on something else than it was begun on
│   └── JournalError     a journal that is damaged, or of another version
├── PolicyError          an unknown or malformed policy spec or storage, or a policy that makes no sense for a model
├── PipelineError        something that is no pipeline, or a pipeline without a denoiser
├── GenerationError      a generation that the runtime cannot follow
│   └── DeviceError      memory that ran out, an accelerator or a disk that failed: no schedule's fault
├── BudgetError          a memory budget that a generation cannot be made to fit
├── FilmError            a film that cannot be written, or a frame that does not belong to it
├── UsageError           a cache, trace or policy of a learning cache that was given what it cannot use
│   └── RecordError      an event that is none, or of a newer version
│       └── StoreError   a store of events, or a server's database, that cannot be opened, read or written
├── InputError           an argument, a file or a setting that cannot be used
├── ModelError           a model that does not exist, or that cannot be loaded
├── JobError             a job of a server that is none, or does not do what was asked of it
│   └── QuotaError       a result that there is no room for
├── ServeError           a server that cannot be what it is told to be
├── DependencyError      an optional package that is not installed
└── ZooError             an unknown or damaged embedded model

UserWarning
└── EvocacheWarning      a generation that is not what was asked for, or may not be
    └── RecordWarning    requests that are not recorded, or patterns that are found by a simpler method
```

Two places add their own: `metrics.MetricError`, and the server's `Refused`.
"""

from __future__ import annotations

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

_JOINERS = "\u200c\u200d"
"""Format characters that belong to words and pictures: Persian, and families of emoji."""


def printable(text: str) -> str:
    """A text that may be shown: what a file may hold to command a terminal, or to turn a line around, is a `?`.

    Those are control characters but for line feeds and tabs, format characters such as bidirectional overrides, half
    characters, and separators of lines that are no line feeds.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if _harmless(letter) else "?" for letter in text)


def _harmless(letter: str) -> bool:
    kept = letter in "\n\t" or letter in _JOINERS
    return kept or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


class Error(Exception):
    """Base of all errors that evocache raises for a user's input.

    Args:
        given: what was given.
        expected: what was expected instead.
        mend: what to do about it.
    """

    def __init__(self, given: str, expected: str, mend: str) -> None:
        self.given, self.expected, self.mend = map(printable, (given, expected, mend))
        super().__init__(f"{self.given}; why: expected {self.expected}; try: {self.mend}")

    def __reduce__(self) -> tuple[type[Error], tuple[str, str, str]]:
        return type(self), (self.given, self.expected, self.mend)


class ScheduleError(Error):
    """A grid that is no schedule, or a schedule that does not fit what it is used for."""


class CodecError(ScheduleError):
    """Bytes or JSON that are no schedule."""


class MismatchError(ScheduleError):
    """A schedule that was made for another model."""


class PolicyError(Error):
    """An unknown or malformed policy spec or storage, or a policy that makes no sense for a model."""


class PipelineError(Error):
    """Something that is no pipeline, or a pipeline without a denoiser."""


class AmountError(Error):
    """An amount of memory that is none."""


class FrontError(Error):
    """A wish that no point of a front meets, or that is none."""


class ContextError(FrontError):
    """A call outside of what a front was evolved at, where its figures say nothing."""


class RunError(Error):
    """A run folder, journal or candidate evaluation that cannot be used."""


class IdentityError(RunError):
    """A run that is continued with another model, solver, type, batch, call or quality than it was begun with."""


class JournalError(RunError):
    """A journal that is damaged, or that another version wrote."""


class GenerationError(Error):
    """A generation that the runtime cannot follow."""


class DeviceError(GenerationError):
    """Memory that ran out, or an accelerator or a disk that failed, while a pipeline generated."""


class BudgetError(Error):
    """A memory budget that a generation cannot be made to fit.

    Args:
        budget: bytes that were given.
        least: peak bytes of each stage, at the least that can be had.
    """

    def __init__(self, budget: int, least: Mapping[str, int]) -> None:
        self.budget = budget
        self.least = dict(least)
        stage, peak = max(self.least.items(), key=lambda item: item[1])
        super().__init__(
            f"a memory budget of {_amount(budget)}",
            f"at least {_amount(peak)}, which {stage} takes at the least: {self.shortfall} bytes more",
            "raise the budget, or generate fewer frames or smaller pictures",
        )

    @property
    def shortfall(self) -> int:
        """Bytes that are missing."""
        return max(self.least.values()) - self.budget

    def __reduce__(self) -> tuple[type[BudgetError], tuple[int, dict[str, int]]]:  # type: ignore[override]
        return BudgetError, (self.budget, self.least)


class FilmError(Error):
    """A film that cannot be written, or a frame that does not belong to it."""


class UsageError(Error):
    """A size, trace, key or policy that a learning cache cannot use."""


class RecordError(UsageError):
    """An event of usage that is none, or that a newer version wrote."""


class StoreError(RecordError):
    """A store of events or a server's database that cannot be opened, read or written: away, locked, full, damaged."""


class JobError(Error):
    """A job of a server that is none, or that cannot do what was asked of it."""


class QuotaError(JobError):
    """A result that there is no room for, even where all that may be deleted is deleted."""


def _amount(count: int) -> str:
    return f"{count / 1e9:.3f} GB" if count >= 1e9 else f"{count / 1e6:.3f} MB"


class InputError(Error):
    """An argument, a file or a setting that cannot be used."""


class ModelError(Error):
    """A model that does not exist, or that cannot be loaded."""


class ServeError(Error):
    """A server that cannot be what it is told to be."""


class DependencyError(Error):
    """An optional package that is not installed; it names the command that installs it."""


class ZooError(Error):
    """An unknown or damaged embedded model."""


class EvocacheWarning(UserWarning):
    """A generation that is not what was asked for, or may not be.

    It is shown for each generation that deserves it, at the user's own line, and kept in `handle.stats.warnings`.
    """


class RecordWarning(EvocacheWarning):
    """Requests that are not recorded, or patterns that are found by a simpler method than the usual one."""


def short(value: Any) -> str:
    """A short form of any value, for messages."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 60
    try:
        return shortener.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return f"a very large {type(value).__name__}"


def shorten(error: BaseException, most: int = 160) -> str:
    """Shorten another library's error to its first line."""
    lines = str(error).strip().splitlines()
    text = lines[0].rstrip(".") if lines else type(error).__name__
    return text if len(text) <= most else text[: most - 1] + "…"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that a misspelt one most likely stands for; None if none is like it."""
    found = difflib.get_close_matches(name, names, n=1)
    return found[0] if found else None

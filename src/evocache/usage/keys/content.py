"""What stands for a value in a key, and what is raised where nothing does.

It becomes a `UsageError` at the rim, where the argument's name is known.
"""

from __future__ import annotations

import os
import sys
from typing import Any

Content = tuple[str, Any]
"""What stands for a value: the name of its kind, and a value of plainer kinds that is equal where the values are."""


class UnencodableError(Exception):
    """A value that has no encoding.

    Args:
        value: the value.
        why: what is wrong with it; `None` where evocache does not know its type.
        mend: what to try, where that is more than leaving the argument out.
    """

    def __init__(self, value: Any, why: str | None = None, mend: str | None = None) -> None:
        self.type = type_name(type(value))
        self.short = type(value).__qualname__
        self.why = why
        self.mend = mend
        super().__init__(self.type)


def type_name(kind: type) -> str:
    """Return the name of a type as its users write it: with its module, but for builtins."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def shared_name(kind: Any) -> str:
    """Return the name of a type or a function, with the module that every process finds it in."""
    return f"{shared_module(kind.__module__)}.{kind.__qualname__}"


def shared_module(module: str | None) -> str | None:
    """Return the name of a module that is the same in every process.

    Every program has a module `__main__`, which the processes that it starts call `__mp_main__`: its file tells which.
    """
    if module not in ("__main__", "__mp_main__"):
        return module
    file = getattr(sys.modules.get(module), "__file__", None)  # `__main__` is not yet there where `__mp_main__` is read
    return f"__main__ {os.path.abspath(file) if file else ''}"

"""What all caching methods share, whether they yield a schedule or decide while the pipeline runs."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, fields
from typing import ClassVar

from ...errors import PolicyError
from ...schedule import Tree


@dataclass(frozen=True)
class CachingMethod(ABC):
    """A caching method; its fields are its parameters, in the order in which a spec gives them.

    Class attributes: `name` as used in specs, `usage` the form of a spec, `summary` one line, `paper` its source.
    """

    name: ClassVar[str]
    usage: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this method."""
        values = [getattr(self, f.name) for f in fields(self)]
        flat = [str(v) for value in values for v in (value if isinstance(value, tuple) else (value,))]
        return f"{self.name}:{','.join(flat)}" if flat else self.name

    def __str__(self) -> str:
        return self.spec

    def refuse(self, tree: Tree, needs: str, mend: str) -> PolicyError:
        """Return the error for a model that lacks what the method acts on."""
        kinds = sorted({c.kind for c in tree.components})
        return PolicyError(f"{self.spec} on a model with {', '.join(kinds)}", needs, mend)

"""JSON documents that are damaged anywhere: for readers that refuse with an error of ours, or read."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 3, 10**30, -1.5, 1e30, "", "x", "\x1b[2J", [], [[]], {}, {"x": 1}),
    *([3, "x"], [[1.0], [1.0]], {"": {}}, "9" * 50, [[], [], []]),
)
"""What may stand where something else is due."""


@st.composite
def damaged(draw: st.DrawFn, document: Any, most: int = 2) -> Any:
    """A copy of a document in which something is missing, doubled or of another kind."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(found))
        holder, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(("odd", "odd", "gone", "moved")))
        if how == "gone":
            del holder[key]
        elif how == "moved":
            other, place = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[place])
        else:
            holder[key] = draw(st.sampled_from(ODD))
        if not list(_places(found)):
            break
    return found


def _places(value: Any) -> Any:
    """All containers and keys in a document."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])

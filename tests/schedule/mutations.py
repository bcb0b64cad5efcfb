"""Schedule documents in which something is said of components that is not so."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from evocache.schedule import KINDS

Document = dict[str, Any]


@st.composite
def mutated(draw: st.DrawFn, document: Document, most: int = 3) -> Document:
    """A copy of a document with one change or a few in what it says of components; actions stay those of their ids."""
    found = {**document, "components": [dict(row) for row in document["components"]]}
    for name in ("actions", "gains"):
        found[name] = dict(document.get(name, {}))
    for _ in range(draw(st.integers(1, most))):
        draw(st.sampled_from((_kind, _block, _parent, _readers, _renamed, _swapped, _removed, _doubled)))(draw, found)
    return found


def _row(draw: st.DrawFn, document: Document) -> dict[str, Any]:
    return document["components"][draw(st.integers(0, len(document["components"]) - 1))]


def _id(draw: st.DrawFn, document: Document) -> str:
    return str(_row(draw, document)["id"])


def _kind(draw: st.DrawFn, document: Document) -> None:
    _row(draw, document)["kind"] = draw(st.sampled_from((*KINDS, "warp")))


def _block(draw: st.DrawFn, document: Document) -> None:
    row, block = _row(draw, document), draw(st.one_of(st.none(), st.integers(-1, 9)))
    row.pop("block", None)
    if block is not None:
        row["block"] = block


def _parent(draw: st.DrawFn, document: Document) -> None:
    row, parent = _row(draw, document), draw(st.one_of(st.none(), st.just("nobody")))
    row.pop("parent", None)
    if parent is not None or draw(st.booleans()):
        row["parent"] = parent or _id(draw, document)


def _readers(draw: st.DrawFn, document: Document) -> None:
    row, count = _row(draw, document), draw(st.integers(0, 3))
    row.pop("readers", None)
    if count:
        row["readers"] = [_id(draw, document) for _ in range(count)]


def _renamed(draw: st.DrawFn, document: Document) -> None:
    """Another id everywhere, so that the file agrees with itself."""
    old = _id(draw, document)
    root = old.split("/")[0]
    first, last = draw(st.integers(-1, 9)), draw(st.integers(0, 99))
    names = (f"{root}/blocks[{first}:{last}]", f"{root}/deep[{last}]", f"{root}/guidance", f"{old}x", f"x{old}")
    new = draw(st.sampled_from(names))
    for row in document["components"]:
        row["id"] = new if row["id"] == old else row["id"]
        if row.get("parent") == old:
            row["parent"] = new
        if "readers" in row:
            row["readers"] = [new if reader == old else reader for reader in row["readers"]]
    for name in ("actions", "gains"):
        document[name] = {new if id == old else id: value for id, value in document[name].items()}


def _swapped(draw: st.DrawFn, document: Document) -> None:
    rows = document["components"]
    i, j = (draw(st.integers(0, len(rows) - 1)) for _ in range(2))
    rows[i], rows[j] = rows[j], rows[i]


def _removed(draw: st.DrawFn, document: Document) -> None:
    """A row goes; what it said of actions stays, so that a file which loses some does not pass for a full one."""
    rows = document["components"]
    acting = [i for i, row in enumerate(rows) if row["id"] in document["actions"]]
    if len(rows) > 1 and acting:
        rows.pop(draw(st.sampled_from(acting)))


def _doubled(draw: st.DrawFn, document: Document) -> None:
    row = dict(_row(draw, document))
    if draw(st.booleans()):
        row["id"] += ".copy"
    document["components"].append(row)

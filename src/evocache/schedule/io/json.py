"""Schedules as text: versioned JSON, one line per component, so that files differ where schedules differ."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ...errors import CodecError, ScheduleError, short
from ..action import COMPUTE, MAX_ORDER, REUSE
from ..component import GUIDANCE, Component, Tree
from ..schedule import Gains, Orders, Provenance, Schedule
from ..size_limits import MAX_CELLS, MAX_STEPS
from . import ecad
from . import strict_json as sj

__all__ = ["FORMAT", "VERSION", "count_cells", "dumps", "from_document", "load", "loads", "save"]

FORMAT = "evocache.schedule"
VERSION = 2
PLAIN = 1
"""The version that is written where nothing is said of guidance: earlier readers know it, and read it as we do."""

MAX_COMPONENTS = 20_000
MAX_LEVELS = 64
MAX_ID = 256

_ORDER_OF = {"C": COMPUTE.order, "R": REUSE.order, **{str(order): order for order in range(1, MAX_ORDER + 1)}}
_LETTER_OF = {order: letter for letter, order in _ORDER_OF.items()}
_ORDERS = np.array([_ORDER_OF.get(chr(code), 0) for code in range(128)], dtype=np.int8)
"""Orders by the code of their letter."""


def dumps(schedule: Schedule) -> str:
    """Return the schedule as JSON text.

    `actions` has a string per component, a letter per step: C computes, R reuses, a digit forecasts with that order.
    Components that always compute are left out. `gains` lists the gains of a component's forecasts, in order of
    steps, where they are not all 1.

    Raises:
        CodecError: if names, numbers or size are such that `loads` would refuse them.
    """
    assert schedule.gains is not None
    actions: dict[str, str] = {}
    gains: dict[str, list[float]] = {}
    for component, orders, column in zip(schedule.components, schedule.orders.T, schedule.gains.T, strict=True):
        if (orders != COMPUTE.order).any():
            actions[component.id] = "".join(_LETTER_OF[int(order)] for order in orders)
        if (column[orders > 0] != 1.0).any():
            gains[component.id] = [float(gain) for gain in column[orders > 0]]
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": _needed(schedule.tree),
        "steps": schedule.steps,
        "model": dict(schedule.model),
        "components": [_component_json(component) for component in schedule.components],
        "actions": actions,
        **({"gains": gains} if gains else {}),
        "provenance": _provenance_json(schedule.provenance),
    }
    _head(document)
    _tree(document["components"], {})
    _provenance(document["provenance"])
    text = "{\n" + ",\n".join(f"  {json.dumps(key)}: {_lines(value)}" for key, value in document.items()) + "\n}\n"
    return sj.decode(text)


def loads(text: str | bytes) -> Schedule:
    """Return the schedule in a JSON text: ours, or one of the ECAD repository's.

    Raises:
        CodecError: if the text is no schedule: it says where and why.
        ScheduleError: if it is a grid that is no schedule, such as one that reuses before it computes.
    """
    return from_document(sj.parse(text))


Trees = dict[tuple[Component, ...], Tree]


def from_document(document: dict[str, Any], trees: Trees | None = None) -> Schedule:
    """Read a parsed JSON document, as `loads` reads its text.

    Args:
        document: the JSON object.
        trees: those that were read before, by their components; schedules of one model then share theirs.

    Raises:
        CodecError: if it is no schedule: it says where and why.
        ScheduleError: if it is a grid that is no schedule, such as one that reuses before it computes.
    """
    if ecad.is_ecad(document):
        return ecad.from_document(document)
    _head(document)
    tree = _tree(document["components"], {} if trees is None else trees)
    if document["version"] < _needed(tree):
        given = f"guidance in version {document['version']}"
        raise CodecError(given, f"version {VERSION}", "correct the version")
    orders, gains = _grid(tree, document["steps"], document["actions"], document.get("gains", {}))
    return Schedule(tree, orders, gains, document["model"], _provenance(document["provenance"]))


def count_cells(document: dict[str, Any]) -> int:
    """Count the cells that a schedule's document will fill, before anything of that size is made.

    Raises:
        CodecError: if it is no schedule.
    """
    if ecad.is_ecad(document):
        return ecad.count_cells(document)
    _head(document)
    return int(document["steps"]) * len(document["components"])


class HasSchedule(Protocol):
    """A point of a front."""

    def noted(self) -> Schedule:
        """Return the schedule, with what is known of it in its provenance."""


def save(schedule: Schedule | HasSchedule, path: str | os.PathLike[str]) -> None:
    """Write a schedule to a file, atomically; of a point of a front, with its figures as the schedule's provenance.

    Args:
        schedule: the schedule, or a point. How a point's features are stored, its budget and its context are notes
            in the file: who applies it says them anew.
        path: the file.

    Raises:
        CodecError: if it is neither, the file cannot be written, or what it would hold could not be read again.

    >>> point = front.pick(speedup=2)
    >>> save(point, "fast.json")
    >>> load("fast.json") == point.schedule
    True
    """
    if not isinstance(schedule, Schedule):
        if not hasattr(schedule, "noted"):
            given = f"a {type(schedule).__name__} to save"
            raise CodecError(given, "a schedule or a point of a front", "pick a point: front.pick(speedup=2)")
        schedule = schedule.noted()
    sj.write_text(path, dumps(schedule))


def load(path: str | os.PathLike[str]) -> Schedule:
    """Read the schedule in a file, evocache's or ECAD's, as `loads`.

    Raises:
        CodecError: if there is no such file, or it holds no schedule.
        ScheduleError: if it holds a grid that is no schedule.

    >>> save(parse("fora:2").schedule(evocache.discover(pipe).tree, 4), "fora.json")
    >>> load("fora.json").steps
    4
    """
    text = sj.read_text(path)
    try:
        return loads(text)
    except ScheduleError as error:
        where = f"{error.given}, in {short(os.fspath(path))}"
        raise type(error)(where, error.expected, error.mend) from None


def _head(document: dict[str, Any]) -> None:
    """Check all but the components, actions and provenance."""
    known = ("format", "version", "steps", "model", "components", "actions", "provenance")
    if document.get("format") != FORMAT:
        given = short(document["format"]) if "format" in document else "JSON without a format"
        raise CodecError(given, f'"format": "{FORMAT}", or a file of the ECAD repository', "choose a schedule's file")
    version = sj.read_integer(document.get("version"), "version", 1, 10**9)
    if version > VERSION:
        raise CodecError(f"format version {version}", f"at most {VERSION}", "upgrade evocache")
    sj.check_keys(document, "the document", known, ("gains",))
    sj.read_integer(document["steps"], "steps", 1, MAX_STEPS)
    for name, kind in sj.read_object(document["model"], "model").items():
        sj.read_string(name, "a name in model"), sj.read_string(kind, f"model {short(name)}")
    count = len(sj.read_list(document["components"], "components"))
    if not 1 <= count <= MAX_COMPONENTS:
        raise CodecError(f"{count} components", f"1 to {MAX_COMPONENTS}", "check that the file is a schedule's")
    if document["steps"] * count > MAX_CELLS:
        raise CodecError(f"{document['steps'] * count} cells", f"at most {MAX_CELLS}", "schedule fewer steps")


def _needed(tree: Tree) -> int:
    """The version of a file that holds a tree: no later than it takes."""
    return VERSION if tree.of_kind(GUIDANCE) else PLAIN


def _tree(rows: list[Any], trees: Trees) -> Tree:
    components = tuple(_component(row, f"component {i}") for i, row in enumerate(rows))
    if components in trees:
        return trees[components]
    try:
        tree = trees[components] = Tree(components)
    except ScheduleError as error:
        raise CodecError(error.given, error.expected, error.mend) from None
    if len(tree.levels) > MAX_LEVELS:
        raise CodecError(f"components {len(tree.levels)} levels deep", f"at most {MAX_LEVELS}", "correct the parents")
    return tree


def _component(row: Any, where: str) -> Component:
    sj.check_keys(sj.read_object(row, where), where, ("id", "kind"), ("block", "parent", "readers"))
    return Component(
        _id(row["id"], f"the id of {where}"),
        sj.read_string(row["kind"], f"the kind of {where}"),
        sj.read_integer(row["block"], f"the block of {where}", 0, MAX_COMPONENTS) if "block" in row else None,
        _id(row["parent"], f"the parent of {where}") if "parent" in row else None,
        tuple(
            _id(reader, f"a reader of {where}")
            for reader in sj.read_list(row.get("readers", []), f"readers of {where}")
        ),
    )


def _id(value: Any, where: str) -> str:
    id = sj.read_string(value, where)
    if not 0 < len(id) <= MAX_ID or not id.isprintable():
        raise CodecError(f"{short(id)} for {where}", f"1 to {MAX_ID} printable characters", f"correct {where}")
    return id


def _component_json(component: Component) -> dict[str, Any]:
    row: dict[str, Any] = {"id": component.id, "kind": component.kind}
    if component.block is not None:
        row["block"] = component.block
    if component.parent is not None:
        row["parent"] = component.parent
    if component.readers:
        row["readers"] = list(component.readers)
    return row


def _grid(tree: Tree, steps: int, actions: Any, gains: Any) -> tuple[Orders, Gains | None]:
    orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
    for id, letters in sj.read_object(actions, "actions").items():
        column, where = _column(tree, id, "actions"), f"the actions of {short(id)}"
        if len(sj.read_string(letters, where)) != steps:
            raise CodecError(f"{len(letters)} letters for {where}", f"{steps}", "give a letter for every step")
        unknown = sorted(set(letters) - set(_ORDER_OF))
        if unknown:
            given = f"{', '.join(short(letter) for letter in unknown[:5])} in {where}"
            raise CodecError(given, f"the letters {', '.join(_ORDER_OF)}", "correct the letters")
        orders[:, column] = _ORDERS[np.frombuffer(letters.encode("ascii"), dtype=np.uint8)]
    amounts = np.ones(orders.shape) if sj.read_object(gains, "gains") else None
    for id, listed in gains.items():
        assert amounts is not None
        column, where = _column(tree, id, "gains"), f"the gains of {short(id)}"
        cells = np.flatnonzero(orders[:, column] > 0)
        if len(sj.read_list(listed, where)) != len(cells):
            given = f"{len(listed)} numbers for {where}"
            raise CodecError(given, f"{len(cells)}, one for each forecast", "give gains to forecasts only")
        amounts[cells, column] = [sj.read_number(gain, where) for gain in listed]
    return orders, amounts


def _column(tree: Tree, id: str, where: str) -> int:
    if id not in tree.index:
        raise CodecError(f"{short(id)} in {where}", "the id of a listed component", "list it, or correct the id")
    return tree.index[id]


def _provenance(value: Any) -> Provenance:
    sj.check_keys(sj.read_object(value, "provenance"), "provenance", (), ("origin", "objectives", "notes"))
    objectives = sj.read_object(value.get("objectives", {}), "objectives").items()
    notes = sj.read_object(value.get("notes", {}), "notes").items()
    return Provenance(
        sj.read_string(value.get("origin", ""), "origin"),
        {sj.read_string(k, "an objective's name"): sj.read_number(v, f"objective {short(k)}") for k, v in objectives},
        {sj.read_string(k, "a note's name"): sj.read_string(v, f"note {short(k)}") for k, v in notes},
    )


def _provenance_json(provenance: Provenance) -> dict[str, Any]:
    objectives = {k: v.item() if isinstance(v, np.generic) else v for k, v in provenance.objectives.items()}
    return {"origin": provenance.origin, "objectives": objectives, "notes": dict(provenance.notes)}


def _lines(value: Any) -> str:
    """JSON with one line for each entry of the outermost object or list."""
    if isinstance(value, Mapping) and value:
        entries = [f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items()]
        return "{\n    " + ",\n    ".join(entries) + "\n  }"
    if isinstance(value, list) and value:
        return "[\n    " + ",\n    ".join(json.dumps(entry) for entry in value) + "\n  ]"
    return json.dumps(value)

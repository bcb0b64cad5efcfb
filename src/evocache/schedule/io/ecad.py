"""Schedule files of the ECAD repository (arXiv 2506.15682): PixArt and FLUX.1, True = recompute."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import CodecError, ScheduleError, short
from ..action import COMPUTE, REUSE
from ..schedule import Schedule
from ..size_limits import MAX_CELLS, MAX_STEPS
from . import strict_json as sj
from .ecad_models import FAMILIES, FLUX, PIXART, ROOT, Family, build_tree

__all__ = ["dumps_ecad", "from_document", "is_ecad", "loads_ecad"]

MAX_BLOCKS = 1_000

CUSTOM = ("custom_compute_attn", "custom_compute_ff")
"""Keys of computations of ECAD's own (T-GATE's mean over guidance branches) in place of a component's; not imported."""

_BLOCK = re.compile(r"(single)?(?:_?transformer_blocks)?[-_.]?0*([0-9]{1,4})")


def is_ecad(document: dict[str, Any]) -> bool:
    """Return whether a JSON document has the layout of ECAD's files."""
    return "cache_schedule" in document and "format" not in document


def loads_ecad(text: str | bytes) -> Schedule:
    """Return the schedule in a file of the ECAD repository.

    What is absent is recomputed, and so is everything at the first step; the provenance notes what was mended.

    Raises:
        CodecError: if the text is no such file: it says where and why.
    """
    return from_document(sj.parse(text))


def from_document(document: dict[str, Any]) -> Schedule:
    """Read a parsed JSON document, as `loads_ecad` reads its text.

    Raises:
        CodecError: if the document is none of ECAD's.
    """
    body, flags, family, counts, steps = _read(document)
    tree = build_tree(family, *counts)
    orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
    paths = {part.name: (stack.path, part.path) for stack in family.stacks for part in stack.parts}
    for (step, _, block, name), recompute in flags.items():
        if step < steps and not recompute and name not in CUSTOM:
            path, leaf = paths[name]
            orders[step, tree.index[f"{ROOT}/{path}.{block}.{leaf}"]] = REUSE.order
    schedule = Schedule.repaired(tree, orders, model={ROOT: family.model})
    notes = _notes(document, schedule, orders, flags)
    objectives = dict(_numbers(sj.read_object(document.get("metrics") or {}, "metrics")))
    return schedule.with_provenance(sj.read_string(body.get("name", ""), "name"), objectives=objectives, notes=notes)


def count_cells(document: dict[str, Any]) -> int:
    """Count the cells that the schedule of a document has.

    Raises:
        CodecError: if the document is none of ECAD's, or has more than a schedule may.
    """
    _, _, family, counts, steps = _read(document)
    return _cells(family, counts, steps)


Flags = dict[tuple[int, bool, int, str], bool]


def _read(document: dict[str, Any]) -> tuple[dict[str, Any], Flags, Family, list[int], int]:
    """The body of a document, its flags, and the family, heights of stacks and number of steps that they are of."""
    body = sj.read_object(document.get("cache_schedule"), "cache_schedule")
    rows = _rows(sj.read_object(body.get("schedule"), "cache_schedule.schedule"))
    flags = dict(_flags(rows))
    family = _family({name for _, _, _, name in flags})
    counts = _block_counts(family, body, flags)
    steps = _count(body, "num_inference_steps", 1 + max((step for step, *_ in flags), default=0), MAX_STEPS)
    if not 0 < _cells(family, counts, steps) <= MAX_CELLS:
        given = f"{_cells(family, counts, steps)} cells"
        raise CodecError(given, f"1 to {MAX_CELLS}", "correct the numbers of steps and blocks")
    return body, flags, family, counts, steps


def _cells(family: Family, counts: list[int], steps: int) -> int:
    blocks = sum(n * (1 + len(stack.parts)) for n, stack in zip(counts, family.stacks, strict=True))
    return steps * (blocks + 2) if blocks else 0


def dumps_ecad(schedule: Schedule) -> str:
    """Return the schedule as a file of the ECAD repository.

    Raises:
        ScheduleError: if it says what such a file cannot say: forecasts, reuse of whole blocks, other models.
    """
    family = _family_of(schedule)
    leaves = {
        f"{ROOT}/{stack.path}.{{}}.{part.path}": (s, part.name)
        for s, stack in enumerate(family.stacks)
        for part in stack.parts
    }
    flags: dict[tuple[int, int, str], Any] = {}
    counts = [0] * len(family.stacks)
    for component, orders in zip(schedule.components, schedule.orders.T, strict=True):
        if not component.is_leaf:
            if (orders != COMPUTE.order).any():
                raise ScheduleError(f"{component.id} is reused", "reuse of leaves only", "save it in evocache's format")
            continue
        number = re.search(r"\.([0-9]{1,4})\.", component.id)
        pattern = component.id.replace(number[0], ".{}.", 1) if number else ""
        if number is None or pattern not in leaves:
            raise _inexpressible(f"component {component.id}")
        if (orders > 0).any():
            raise ScheduleError(
                f"a forecast of {component.id}", "compute and reuse only", "save it in evocache's format"
            )
        s, name = leaves[pattern]
        counts[s] = max(counts[s], int(number[1]) + 1)
        flags[s, int(number[1]), name] = orders == COMPUTE.order
    grid = {
        f"{step:03}": {
            f"{stack.prefix}{i}": {
                part.name: bool(flags[s, i, part.name][step]) if (s, i, part.name) in flags else True
                for part in stack.parts
            }
            for s, stack in enumerate(family.stacks)
            for i in range(counts[s])
        }
        for step in range(schedule.steps)
    }
    body = {
        "num_blocks": counts[0],
        **({"num_single_blocks": counts[1]} if len(counts) > 1 else {}),
        "num_inference_steps": schedule.steps,
        "name": schedule.provenance.origin,
        "attributes": {},
        "schedule": grid,
    }
    metrics = {name: float(value) for name, value in schedule.provenance.objectives.items()}
    return json.dumps({"cache_schedule": body, "config": {}, "metrics": metrics}, indent=4, allow_nan=False) + "\n"


def _rows(grid: dict[str, Any]) -> dict[int, dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for key, row in grid.items():
        if not re.fullmatch(r"[0-9]{1,6}", key):
            raise CodecError(f"step {short(key)}", 'a number as text, such as "007"', "correct the key")
        if int(key) in rows:
            raise CodecError(f"step {int(key)} twice", "every step once", "remove one of the two")
        rows[int(key)] = sj.read_object(row, f"step {short(key)}")
    return rows


def _flags(rows: dict[int, dict[str, Any]]) -> Iterator[tuple[tuple[int, bool, int, str], bool]]:
    """Pairs (step, whether the block is a single one, block, name in the file) and whether it is recomputed."""
    known = [part.name for family in FAMILIES for stack in family.stacks for part in stack.parts]
    for step, row in rows.items():
        seen = set()
        for key, block in row.items():
            match = _BLOCK.fullmatch(key)
            if match is None:
                raise CodecError(f"block {short(key)} at step {step}", 'keys like "3" or "single_3"', "correct the key")
            single, number = match[1] is not None, int(match[2])
            if (single, number) in seen:
                raise CodecError(f"block {short(key)} twice at step {step}", "every block once", "remove one")
            seen.add((single, number))
            for name, value in sj.read_object(block, f"block {key} at step {step}").items():
                full = name if name.startswith("single_") or not single else f"single_{name}"
                where = f"component {short(name)} of block {key} at step {step}"
                if name in CUSTOM:
                    yield (step, single, number, name), True
                elif full not in known or full.startswith("single_") != single:
                    raise CodecError(where, f"one of {', '.join(known)}", "correct the name")
                elif not isinstance(value, bool):
                    raise CodecError(f"{short(value)} for {where}", "true or false", "true recomputes, false reuses")
                else:
                    yield (step, single, number, full), value


def _family(names: set[str]) -> Family:
    fits = [
        f for f in FAMILIES if names.difference(CUSTOM) <= {part.name for stack in f.stacks for part in stack.parts}
    ]
    if not names.difference(CUSTOM):
        raise CodecError("a schedule without components", "steps with blocks with components", "check the file")
    if not fits:
        expected = "those of PixArt (attn1, attn2, ff) or of FLUX.1 (full_attn, ..., single_proj_out), not both"
        raise CodecError(f"components {', '.join(sorted(names))}", expected, "correct the names")
    return fits[0]


def _block_counts(family: Family, body: dict[str, Any], flags: Flags) -> list[int]:
    counts = []
    for stack, key in zip(family.stacks, ("num_blocks", "num_single_blocks"), strict=False):
        single = stack.prefix == "single_"
        found = 1 + max((block for _, is_single, block, _ in flags if is_single == single), default=-1)
        count = _count(body, key, found, MAX_BLOCKS)
        if found > count:
            raise CodecError(
                f"block {stack.prefix}{found - 1} with {key} {count}", f"blocks below {count}", f"correct {key}"
            )
        counts.append(count)
    return counts


def _count(body: dict[str, Any], key: str, default: int, most: int) -> int:
    return sj.read_integer(body.get(key, default), key, 0, most)


def _notes(document: dict[str, Any], schedule: Schedule, orders: Any, flags: Flags) -> dict[str, str]:
    """What the import mended, left out or could not carry over."""
    notes = {"source": "ECAD schedule file"}
    early = [c.id for c, wanted in zip(schedule.components, orders[0], strict=True) if wanted == REUSE.order]
    if early:
        notes["repaired"] = f"reused before it was computed, so computed at the first step: {_listed(early)}"
    idle = int(((orders == COMPUTE.order) & ~schedule.executed).sum())
    if idle:
        notes["left out"] = f"{idle} recomputed values that no computed projection reads at their step"
    beyond = {step for step, *_ in flags if step >= schedule.steps}
    if beyond:
        notes["ignored steps"] = f"{len(beyond)} steps beyond num_inference_steps"
    if custom := sorted({name for *_, name in flags}.intersection(CUSTOM)):
        notes["ignored"] = (
            f"{', '.join(custom)}: the file asks for a computation of ECAD's own; the component's is used"
        )
    config = document.get("config")
    if config:
        notes["config"] = json.dumps(config, sort_keys=True)[:1000]
    return notes


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _numbers(metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers among the metrics, one level deep, without the list by step."""
    for name, value in metrics.items():
        inner = value.items() if isinstance(value, dict) and name != "by_inference_step" else ()
        for key, entry in [(name, value), *((f"{name}.{k}", v) for k, v in inner)]:
            if isinstance(entry, (int, float)) and not isinstance(entry, bool):
                yield sj.read_string(key, "a metric's name"), sj.read_number(entry, f"metric {short(key)}")


def _family_of(schedule: Schedule) -> Family:
    model = schedule.model.get(ROOT)
    if model is None:
        return PIXART if any(c.id.endswith(".attn1") for c in schedule.components) else FLUX
    for family in FAMILIES:
        if family.model == model:
            return family
    raise _inexpressible(f"a schedule of {model}")


def _inexpressible(given: str) -> ScheduleError:
    models = " or ".join(family.model for family in FAMILIES)
    return ScheduleError(
        given, f"the attention, feed-forward and projection of {models}", "save it in evocache's format"
    )

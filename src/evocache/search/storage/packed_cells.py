"""A schedule's cells as one short text, for journals that hold thousands of schedules of one tree. Pure.

The number of steps is not in the text. A journal's line names it where it is not that of the uncached generation.
"""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode

import numpy as np

from ...errors import RunError
from ...schedule import Schedule, Tree
from .journal_records import ScheduleWritten


def pack(schedule: Schedule) -> str:
    """Return the cells of a schedule: orders, then the gains of its forecasts, compressed, in base64."""
    assert schedule.gains is not None
    gains = schedule.gains[schedule.orders > 0].astype("<f8")
    return b64encode(zlib.compress(schedule.orders.tobytes() + gains.tobytes(), 9)).decode()


def unpack(text: str, tree: Tree, steps: int) -> Schedule:
    """Return a schedule from the text of its cells.

    Raises:
        RunError: if the text is damaged, or of another tree.
    """
    size = steps * len(tree)
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(b64decode(text, validate=True), 9 * size)
        orders = np.frombuffer(data[:size], dtype=np.int8).reshape(steps, len(tree))
        gains = np.zeros(orders.shape)
        gains[orders > 0] = np.frombuffer(data[size:], dtype="<f8")
    except (ValueError, zlib.error, binascii.Error):
        raise RunError("cells that cannot be read", "cells of this run's model", "use another folder") from None
    return Schedule(tree, orders, gains)


def unpack_record(record: ScheduleWritten, uncached: Schedule) -> Schedule:
    """Return the schedule of a journal's record, in a run with this uncached one, under the name of what made it.

    Raises:
        RunError: as `unpack`, or if it has more steps than the uncached one, or is another than the record names.
    """
    steps = uncached.steps if record.steps is None else record.steps
    if not 1 <= steps <= uncached.steps:
        raise RunError(f"{steps} steps", f"1 to {uncached.steps}", "use another folder")
    schedule = unpack(record.cells, uncached.tree, steps)
    if schedule.digest != record.digest:
        given = f"cells of schedule {schedule.digest} under the name {record.digest}"
        raise RunError(given, "cells of this run's model", "use another folder")
    return schedule.with_provenance(record.origin) if record.origin else schedule

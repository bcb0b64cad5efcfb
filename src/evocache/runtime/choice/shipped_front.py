"""The front that ships with a model: `front.json` in the folder that its pipeline was loaded from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...model import Model
from ...schedule.front import Front
from ...schedule.front.front_file import FILE


def name_of(pipe: Any) -> str:
    """Return the name that a pipeline was loaded by: a hub id or a folder; empty if it does not say."""
    name = getattr(pipe, "name_or_path", None)
    return os.fspath(name) if isinstance(name, (str, os.PathLike)) else ""


def shipped_front(pipe: Any, model: Model) -> Front | None:
    """Return the front in the folder of a pipeline's weights; None if there is none, or it is for other components.

    Raises:
        RunError: if it is damaged, or of another version.
    """
    folder = dict(getattr(pipe, "config", None) or {}).get("_name_or_path")
    if not isinstance(folder, (str, os.PathLike)) or not folder or not (Path(folder) / FILE).is_file():
        return None
    front = Front.load(Path(folder) / FILE)
    fits = all(point.schedule.tree.structure == model.tree.structure for point in front)
    return front if fits and len(front) else None

"""What settings servers on several machines can share, and whether the machines share their folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...errors import ServeError
from ..settings import Settings

MARK = "machines"
"""Name of a file in the folder that machines share."""


def check_spread(settings: Settings) -> Settings:
    """Return settings with full paths, once it is sure that several servers can share them.

    Raises:
        ServeError: if jobs would be in a file of SQLite, or each server would sign links by a secret of its own.
    """
    if settings.database is None or settings.database.partition(":")[0].partition("+")[0] != "postgresql":
        given = "no database" if settings.database is None else "a database that is no Postgres"
        expected = "one of Postgres, which servers on several machines share; a file of SQLite is for one machine"
        raise ServeError(given, expected, "give --database postgresql://user@host/name")
    if settings.secret is None:
        expected = "one secret for all servers, so that links of one open at the others"
        raise ServeError("no secret", expected, "name the folder where it lies: secret=FOLDER, or EVOCACHE_HOME")
    assert settings.folder is not None, "settings with a database have one"
    models, fronts = _full(settings.models), _full(settings.fronts)
    loras = {
        model: {name: replace(one, path=_absolute(one.path)) for name, one in own.items()}
        for model, own in settings.loras.items()
    }
    folder = settings.folder.expanduser().absolute()
    return replace(settings, folder=folder, models=models, fronts=fronts, loras=loras)


def _full(places: Mapping[str, str]) -> dict[str, str]:
    """Places with full paths, where they are paths of this machine: replicas run in folders of their own."""
    return {name: _absolute(place) for name, place in places.items()}


def _absolute(place: str) -> str:
    return str(Path(place).absolute()) if Path(place).exists() else place


def mark_folder(folder: Path) -> str:
    """Return the mark of a folder that machines share, which is made if there is none.

    Raises:
        ServeError: if the folder cannot be written.
    """
    path = folder / MARK
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        return path.read_text()
    except OSError as error:
        mend = "choose another with --folder, on a disk that all machines mount"
        raise ServeError(f"the folder {folder} ({error.strerror})", "one that can be written", mend) from None


def _create(path: Path) -> None:
    """Write a new mark, unless somebody else was faster: the file appears whole or not at all."""
    draft = path.with_name(f"{MARK}-{secrets.token_hex(8)}")
    try:
        draft.write_text(secrets.token_hex(16))
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def check_folder(folder: Path, mark: str) -> None:
    """Refuse a folder that is not the one which was marked.

    Raises:
        ServeError: if this machine has another one at its path, or none.
    """
    try:
        found = (folder / MARK).read_text()
    except OSError:
        found = ""
    if found != mark:
        expected = "the folder of the machine that started it: what one server makes another has to find"
        raise ServeError(f"the folder {folder} of this machine", expected, "mount one disk at that path everywhere")

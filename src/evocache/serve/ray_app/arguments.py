"""Settings from names and plain values, as Ray Serve's command line and its files have them."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ...errors import ServeError, short
from ...usage.keys.secret import installation_secret
from ..settings import Settings
from .replica_settings import ReplicaSettings

PROXIES = frozenset({"host", "port"})
"""Fields that are Ray's to say: its proxies listen."""

BEYOND = "0.0.0.0"
"""Stands for proxies that others than this machine reach."""


def read_arguments(given: Mapping[str, Any]) -> tuple[Settings, ReplicaSettings]:
    """Return the settings that arguments say.

    Args:
        given: fields of both by name. Texts are read as what a field takes, as JSON where that is more than one value;
            `secret` is the folder of the installation's secret, `$EVOCACHE_HOME` if not given.

    Raises:
        ServeError: if one is unknown, wrong or missing.
        UsageError: if the secret cannot be read or written.
    """
    given = dict(given)
    home = given.pop("secret", None) or os.environ.get("EVOCACHE_HOME")
    secret = None if home is None else installation_secret(Path(str(home)))
    own = {one.name for one in fields(ReplicaSettings)}
    spread = {name: given.pop(name) for name in own & given.keys()}
    settings = _read_fields(Settings, given, "", PROXIES, {"host": BEYOND, "secret": secret})
    return settings, _read_fields(ReplicaSettings, spread, "")


def _read_fields(
    kind: Any, given: Mapping[str, Any], where: str, without: Collection[str] = (), beside: Mapping[str, Any] = {}
) -> Any:
    """An object of a dataclass, from values by name."""
    hints = get_type_hints(kind)
    known = {one.name: one for one in fields(kind) if one.name not in without and one.name not in beside}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            mend = f"did you mean {where}{near[0]}?" if near else f"name one of {', '.join(sorted(known))}"
            raise ServeError(f"the argument {short(where + str(name))}", "a setting of the server", mend)
    for name, one in known.items():
        if name not in given and one.default is MISSING and one.default_factory is MISSING:
            mend = "give it" if where else 'give it, such as models={"emoji": "zoo:emoji"}'
            raise ServeError(f"no {where}{name}", "one, as the server cannot do without", mend)
    values = {name: _read(hints[name], value, f"{where}{name}") for name, value in given.items()}
    return kind(**values, **beside)


def _read(kind: Any, value: Any, name: str) -> Any:
    """A value as a field takes it."""
    from pydantic import TypeAdapter, ValidationError  # it is there where FastAPI is

    if value == "":
        raise ServeError(f"an empty {name}", "a value", "leave it out, or say what it is to be")
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            raise ServeError(f"{name}={short(value)}", "JSON", "check its quotes and brackets") from None
    if is_dataclass(kind) and isinstance(value, Mapping):
        return _read_fields(kind, value, f"{name}.")
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        _, inner = get_args(kind)
        return {str(key): _read(inner, one, f"{name}.{key}") for key, one in value.items()}
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ServeError(f"{name}={short(value)}", error.errors()[0]["msg"], "see the guide of the server") from None

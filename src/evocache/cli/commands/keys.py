"""`evocache keys`: make, list and revoke the API keys of a server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InputError
from ..inputs.number_options import MAX_COUNT, check_finite
from ..ui.command_line import Command
from ..ui.console import errors, out
from ..ui.failures import format_examples

if TYPE_CHECKING:
    from ...serve.access.key import ApiKey
    from ...serve.access.key_store import KeyStore

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API keys of a server.")

Folder = Annotated[Path | None, typer.Option(help="Folder of the server, as in evocache serve --folder.")]
Database = Annotated[str | None, typer.Option(help="URL of its database, as in evocache serve --database.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Scope(str, Enum):
    """What a key is for."""

    inference = "inference"
    admin = "admin"


@contextmanager
def _opened(folder: Path | None, database: str | None) -> Iterator[KeyStore]:
    from ...serve.access.key_store import KeyStore
    from ...serve.database.database import Database as Opened
    from ...serve.database.place import url_of

    if folder is None and database is None:
        raise InputError("no --folder and no --database", "where the keys of the server are", "give the server's")
    if folder is not None and database is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Opened(url_of(folder or Path(), database)) as opened:
        yield KeyStore(opened)


@keys.command(
    cls=Command,
    epilog=format_examples(
        "evocache keys create ann --folder server",
        "evocache keys create studio --tenant studio --per-minute 30 --days 90 --folder server",
        "evocache keys create prometheus --scope admin --folder server",
    ),
)
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    folder: Folder = None,
    database: Database = None,
    tenant: Annotated[str, typer.Option(help="Whose data its holder sees; tenants share nothing.")] = "default",
    scope: Annotated[list[Scope] | None, typer.Option(help="What it is for; both may be given.")] = None,
    days: Annotated[
        float | None,
        typer.Option(help="Days that it is valid; for ever if not given.", callback=check_finite("--days", above=0)),
    ] = None,
    per_minute: Annotated[
        float | None,
        typer.Option(help="Most pictures or films a minute.", callback=check_finite("--per-minute", above=0)),
    ] = None,
    per_day: Annotated[
        float | None, typer.Option(help="Most pictures or films a day.", callback=check_finite("--per-day", above=0))
    ] = None,
    seconds_per_day: Annotated[
        float | None,
        typer.Option(help="Most seconds of a worker a day.", callback=check_finite("--seconds-per-day", above=0)),
    ] = None,
    queued: Annotated[
        int | None, typer.Option(min=1, max=MAX_COUNT, help="Most generations that are not over at a time.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print its secret, which is shown this once: the database has only its digest."""
    from ...serve.control.rates import Quota

    quota = Quota(per_minute, per_day, seconds_per_day, queued)
    scopes = [one.value for one in scope or [Scope.inference]]
    with _opened(folder, database) as store:
        key, secret = store.create(tenant, name, scopes, seconds=None if days is None else days * 86400, quota=quota)
    if as_json:
        out().print(json.dumps({**_described(key), "secret": secret}), markup=False, soft_wrap=True)
        return
    errors().print(f"{key.id}, of tenant {key.tenant}; keep the secret, it is not shown again", markup=False)
    out().print(secret, markup=False, soft_wrap=True)


@keys.command("list", cls=Command, epilog=format_examples("evocache keys list --folder server --json"))
def list_keys(folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """List keys, revoked ones too; their secrets are nowhere."""
    with _opened(folder, database) as store:
        found = store.list()
    if as_json:
        out().print(json.dumps([_described(key) for key in found]), markup=False, soft_wrap=True)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("id", "name", "tenant", "scopes", "made", "ends", "quota"):
        table.add_column(column)
    for key in found:
        quota = ", ".join(f"{name} {value:g}" for name, value in _quota(key).items())
        scopes = ", ".join(sorted(key.scopes))
        table.add_row(key.id, key.name, key.tenant, scopes, _day(key.created), _end(key), quota or "none")
    out().print(table)


@keys.command(cls=Command, epilog=format_examples("evocache keys revoke key_0123456789abcdef --folder server"))
def revoke(
    id: Annotated[str, typer.Argument(help="Its id, as evocache keys list shows it.")],
    folder: Folder = None,
    database: Database = None,
) -> None:
    """Revoke a key: servers let nobody in with it any more, within seconds."""
    with _opened(folder, database) as store:
        key = store.revoke(id)
    out().print(f"{key.id} ({key.name}) is revoked", markup=False)


def _described(key: ApiKey) -> dict[str, Any]:
    return {**asdict(key), "scopes": sorted(key.scopes), "quota": _quota(key)}


def _quota(key: ApiKey) -> dict[str, float]:
    return {name: value for name, value in asdict(key.quota).items() if value is not None}


def _end(key: ApiKey) -> str:
    if key.revoked is not None:
        return f"revoked {_day(key.revoked)}"
    if key.expires is None:
        return "never"
    return f"{'over since' if key.expires <= time.time() else 'on'} {_day(key.expires)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")

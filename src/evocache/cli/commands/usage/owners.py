"""`evocache usage export` and `delete`: what is kept of one user, as lines of JSON, and its removal."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO
from uuid import UUID

import typer

from ....errors import Error, InputError
from ...ui.console import errors, out
from .sources import open_records

if TYPE_CHECKING:
    from ....usage.keys.digest import Digester
    from ....usage.tiers.tier import Tier

Store = Annotated[str, typer.Argument(metavar="STORE", help="A store of records: a SQLite file or a URL.")]
User = Annotated[
    str,
    typer.Option(
        "--user", "-u", help="The owner, as named in get_or_compute(owner=...): a text, a whole number or a UUID."
    ),
]
Tenant = Annotated[str | None, typer.Option(help="Whose data it is, where there are tenants.")]

REMAIN = (
    "what remains: sums over many in processes that run, such as evolved weights, which name nobody",
    "a running process forgets with cache.clear(owner=NAME), and then writes nothing of it again",
)


def digester_of(tenant: str | None) -> Digester:
    """Return what makes the digests of a tenant's owners, by the installation's secret.

    Raises:
        UsageError: if there is no secret: then no owner can be found.
    """
    from ....usage.keys.digest import Digester
    from ....usage.keys.secret import installation_secret

    return Digester(installation_secret(create=False), tenant)


def owners_of(digester: Digester, user: str) -> list[bytes]:
    """Return the digests of all owners whose name reads as a text of the command line: it, a number, a UUID."""
    named: list[str | int | UUID] = [user]
    for kind in (int, UUID):
        with suppress(ValueError):
            if str(read := kind(user)) == user:
                named.append(read)
    return [digester.owner(name) for name in named]


def _private(path: Path) -> TextIO:
    """Open a new file that its user alone can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")


def _found_none(user: str) -> NoReturn:
    told = f"nothing was found of user {user!r}; try: the name as it stands in owner=, and --tenant, --disk, --shared"
    errors().print(told, markup=False, soft_wrap=True)
    raise typer.Exit(1)


def export(
    store: Store,
    user: User,
    tenant: Tenant = None,
    out_: Annotated[Path | None, typer.Option("--out", "-o", help="The file; stdout if not given.")] = None,
) -> None:
    """Write all that is recorded of one user as lines of JSON, to a file that only you can read."""
    owners = owners_of(digester_of(tenant), user)
    with open_records(store) as records:
        lines = chain.from_iterable(records.export_owner(tenant or "", owner) for owner in owners)
        count = 0
        try:
            with _private(out_) if out_ else nullcontext(sys.stdout) as file:
                for line in lines:
                    file.write(line + "\n")
                    count += 1
        except OSError as error:
            why = (error.strerror or "cannot be written").lower()
            raise InputError(f"{str(out_)!r} ({why})", "a new file", "choose another --out") from None
    errors().print(f"{count:,} records of the user", markup=False)
    if not count:
        _found_none(user)


def delete(
    store: Store,
    user: User,
    tenant: Tenant = None,
    disk: Annotated[
        list[Path] | None, typer.Option("--disk", help="Folder of a tier on the disk; more than one may be named.")
    ] = None,
    shared: Annotated[
        list[str] | None, typer.Option("--shared", help="Address of a shared tier; more than one may be named.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Delete all that is recorded of one user, and the answers that were computed for that user in the tiers named."""
    from ....usage.records.store import Where

    owners = owners_of(digester_of(tenant), user)
    with open_records(store) as records:
        tiers = _open_tiers(disk or [], shared or [], tenant)
        count = sum(records.count(Where(tenant=tenant or "", owner=owner)) for owner in owners)
        named = f"{count:,} records" + "".join(f", and the answers in {name}" for name in tiers)
        if not yes:
            typer.confirm(f"delete {named} for good?", abort=True, err=True)
        total = sum(records.delete_owner(tenant or "", owner) for owner in owners)
        gone = {store: f"{total:,} records"}
    failed = set()
    for name, tier in tiers.items():
        try:
            with tier:
                cleared = sum(tier.clear(owner) for owner in owners)
                total += cleared
                gone[name] = f"{cleared:,} answers"
        except Error as error:
            failed.add(name)
            gone[name] = f"not deleted: {error.given}; try: run the command again"
    for name, told in gone.items():
        out().print(f"{name}: {told}", markup=False, soft_wrap=True, style="red" if name in failed else None)
    for line in REMAIN:
        out().print(line, style="dim", markup=False)
    if failed:
        raise typer.Exit(1)
    if not total:
        _found_none(user)


def _open_tiers(disk: list[Path], shared: list[str], tenant: str | None) -> dict[str, Tier]:
    """Open the tiers by name; those on the disk have to be there."""
    from ....usage.cache.lower_tiers import FILE, tiers_of
    from ....usage.keys.secret import installation_secret

    named: dict[str, tuple[Path | None, str | None]] = {str(folder): (folder, None) for folder in disk}
    for name in named:
        if not (Path(name) / FILE).is_file():
            raise InputError(f"--disk {name!r}, without {FILE}", "the folder of a tier", "check the path")
    named |= {address: (None, address) for address in shared}
    secret, most = installation_secret(create=False), 1 << 60
    found: dict[str, Tier] = {}
    for name, (place, address) in named.items():
        found[name] = tiers_of(place, address, secret=secret, tenant=tenant, disk_bytes=most, shared_bytes=most)[0]
    return found

"""API keys in the server's database: made, listed, revoked, read by what is stored of their secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from ...errors import InputError, short
from ..control.rates import Quota
from ..database.database import Database
from ..requests.identity import INFERENCE
from .key import ApiKey, hash_secret, new_id, new_secret


class Stamp(NamedTuple):
    """What tells one state of the keys from another."""

    keys: int
    revoked: int
    latest: float | None


class KeyStore:
    """Keeps keys; threads may share it. Every method raises `StoreError` if the database is away, locked or full.

    Args:
        database: where; it is not closed with the store.
        clock: returns seconds since 1970.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._sa, self._keys = database, database.sa, database.tables["api_keys"]
        self.clock = clock

    def create(
        self,
        tenant: str,
        name: str,
        scopes: Iterable[str] = (INFERENCE,),
        *,
        seconds: float | None = None,
        quota: Quota | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key, and return it with its secret, which cannot be had a second time.

        Args:
            tenant: whose data its holder sees.
            name: what people call it.
            scopes: what it is for.
            seconds: that it is valid; None for ever.
            quota: what its holder may ask for; anything without.

        Raises:
            InputError: if a name or a scope is none.
        """
        now = self.clock()
        expires = None if seconds is None else now + seconds
        key = ApiKey(new_id(), tenant, name, frozenset(scopes), now, expires, None, quota or Quota())
        secret = new_secret()
        with self._database.writing() as connection:
            connection.execute(self._keys.insert(), {**_row(key), "hash": hash_secret(secret)})
        return key, secret

    def list(self) -> list[ApiKey]:
        """Return all keys, revoked ones too, the oldest first."""
        asked = self._sa.select(self._keys).order_by(self._keys.c.created, self._keys.c.id)
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(asked).mappings()]

    def revoke(self, id: str) -> ApiKey:
        """Have a key be valid no more, and return it; one that was revoked before stays as it is.

        Raises:
            InputError: if there is none of that id.
        """
        columns = self._keys.c
        meant = columns.id == id
        with self._database.writing() as connection:
            change = self._keys.update().where(meant, columns.revoked.is_(None)).values(revoked=self.clock())
            connection.execute(change)
            row = connection.execute(self._sa.select(self._keys).where(meant)).mappings().first()
        if row is None:
            raise InputError(f"the key {short(id)}", "the id of a key", "see `evocache keys list`")
        return _key(row)

    def by_hash(self) -> dict[bytes, ApiKey]:
        """Return all keys, revoked ones too, by what is stored of their secrets."""
        with self._database.reading() as connection:
            rows = connection.execute(self._sa.select(self._keys)).mappings()
            return {bytes(row["hash"]): _key(row) for row in rows}

    def stamp(self) -> Stamp:
        """Return what is another after any change: how many keys there are, and are revoked, and when the last came."""
        count, columns = self._sa.func.count, self._keys.c
        asked = self._sa.select(count(columns.id), count(columns.revoked), self._sa.func.max(columns.created))
        with self._database.reading() as connection:
            return Stamp(*connection.execute(asked).one())


def _row(key: ApiKey) -> dict[str, Any]:
    known = {name: value for name, value in asdict(key.quota).items() if value is not None}
    row = {name: getattr(key, name) for name in ("id", "tenant", "name", "created", "expires", "revoked")}
    return {**row, "scopes": json.dumps(sorted(key.scopes)), "quotas": json.dumps(known)}


def _key(row: Mapping[str, Any]) -> ApiKey:
    plain = {name: row[name] for name in ("id", "tenant", "name", "created", "expires", "revoked")}
    return ApiKey(**plain, scopes=frozenset(json.loads(row["scopes"])), quota=Quota(**json.loads(row["quotas"])))

"""Statements of the disk tier: one row an entry, totals of a tenant kept by triggers, and who leaves.

Eviction is GreedyDual-Size-Frequency (Cherkasova, HP Labs 1998, HPL-98-69R1): an entry's score is L + uses x seconds /
bytes, where L, the tenant's level, is the score of what left last. So entries that save much time a byte stay, and age
against newer ones as L rises.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable

from .seal import Seal
from .tier import MOST_REMEMBERED, REMEMBERED, SKEW, Stored

VERSION = 2
"""Of the schema."""

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB);;
CREATE TABLE tenants (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, bytes INTEGER, count INTEGER, level REAL);;
CREATE TABLE entries (
  id INTEGER PRIMARY KEY, tenant INTEGER, key BLOB, owner BLOB, subject BLOB, format TEXT, seconds REAL, size INTEGER,
  created REAL, expires REAL, room INTEGER, uses INTEGER, score REAL, checksum BLOB, payload BLOB);;
CREATE UNIQUE INDEX entries_key ON entries (tenant, key);;
CREATE INDEX entries_score ON entries (tenant, score, room);;
CREATE INDEX entries_owner ON entries (tenant, owner);;
CREATE INDEX entries_expires ON entries (tenant, expires) WHERE expires IS NOT NULL;;
CREATE TABLE forgotten (tenant INTEGER, key BLOB, time REAL, PRIMARY KEY (tenant, key)) WITHOUT ROWID;;
CREATE INDEX forgotten_time ON forgotten (tenant, time);;
CREATE TRIGGER entry_in AFTER INSERT ON entries BEGIN
  UPDATE tenants SET bytes = bytes + NEW.room, count = count + 1 WHERE id = NEW.tenant; END;;
CREATE TRIGGER entry_out AFTER DELETE ON entries BEGIN
  UPDATE tenants SET bytes = bytes - OLD.room, count = count - 1 WHERE id = OLD.tenant; END
"""

_PAGE, _USABLE, _OVERFLOW, _LEAST = 4096, 4060, 4092, 489
"""Bytes of a page, of rows in one, of a page of a long row's own, and of a long row that stay in the first page."""

_ROW, _INDICES = 150, 100
"""Bytes of an entry beside its payload, and in indices."""

_ALL = b""
"""Stands for all keys among those that were forgotten."""

_COLUMNS = "payload, format, seconds, size, created, expires, owner, subject"


def room_of(payload: bytes) -> int:
    """Return the bytes that an entry takes in the file: pages of its own, its share of one, and its indices.

    Source: "Database File Format", section 1.6, of SQLite's documentation.
    """
    row, pages = len(payload) + _ROW, 0
    if row > _USABLE:
        first = _LEAST + (row - _LEAST) % _OVERFLOW
        first = first if first <= _USABLE else _LEAST
        row, pages = first, -(-(row - first) // _OVERFLOW)
    return pages * _PAGE + _PAGE // (_USABLE // row) + _INDICES


class Rows:
    """The rows of one tenant. Each method is a job of a transaction, and is given the connection.

    Args:
        tenant: the tenant's digest.
        seal: makes and checks checksums.
        mark: what the installation's secret makes of a word; a file of another secret has another.
    """

    def __init__(self, tenant: bytes, seal: Seal, mark: bytes) -> None:
        self._tenant, self._seal, self._mark = tenant, seal, mark

    def is_ours(self, db: sqlite3.Connection) -> bool:
        """Return whether this secret wrote the file; a new file is marked, of another nothing is written."""
        query = "SELECT value FROM settings WHERE name = 'secret'"
        if db.execute(query).fetchone() is None:
            db.execute("INSERT OR IGNORE INTO settings VALUES ('secret', ?)", (self._mark,))
        (mark,) = db.execute(query).fetchone()
        return bool(mark == self._mark)

    def id(self, db: sqlite3.Connection) -> int:
        """Return the tenant's number; a new tenant gets one only in a transaction that writes."""
        row = db.execute("SELECT id FROM tenants WHERE digest = ?", (self._tenant,)).fetchone()
        if row is None and db.in_transaction:
            row = (db.execute("INSERT INTO tenants VALUES (NULL, ?, 0, 0, 0)", (self._tenant,)).lastrowid,)
        return int(row[0]) if row else 0

    def get(self, db: sqlite3.Connection, key: bytes) -> tuple[Stored, bool] | None:
        """Return an entry, and whether it passes its checksum."""
        query = f"SELECT {_COLUMNS}, checksum FROM entries WHERE tenant = ? AND key = ?"
        row = db.execute(query, (self.id(db), key)).fetchone()
        if row is None:
            return None
        *fields, checksum = row
        stored = Stored(*fields)
        try:
            sound = self._seal.checksum(key, stored) == checksum
        except (TypeError, ValueError, AttributeError, struct.error):  # not even of their types
            sound = False
        return stored, sound

    def put(self, db: sqlite3.Connection, entries: Iterable[tuple[bytes, Stored]], max_bytes: int) -> tuple[int, int]:
        """Insert entries, but for those forgotten since they began, and evict; return how many entered, and left."""
        tenant, taken = self.id(db), 0
        (level,) = db.execute("SELECT level FROM tenants WHERE id = ?", (tenant,)).fetchone()
        for key, stored in entries:
            query = "SELECT max(time) FROM forgotten WHERE tenant = ? AND key IN (?, ?)"
            (forgotten,) = db.execute(query, (tenant, key, _ALL)).fetchone()
            if forgotten is not None and stored.since < forgotten:
                continue
            taken += 1
            room = room_of(stored.payload)
            db.execute("DELETE FROM entries WHERE tenant = ? AND key = ?", (tenant, key))
            db.execute(
                "INSERT INTO entries VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
                (tenant, key, stored.owner, stored.group, stored.format, stored.seconds, stored.size, stored.created,
                 stored.expires, room, level + stored.seconds / room, self._seal.checksum(key, stored), stored.payload),
            )  # fmt: skip
        return taken, self._evict(db, tenant, max_bytes)

    def _evict(self, db: sqlite3.Connection, tenant: int, max_bytes: int) -> int:
        gone = 0
        while True:
            (total,) = db.execute("SELECT bytes FROM tenants WHERE id = ?", (tenant,)).fetchone()
            if total <= max_bytes:
                return gone
            query = "SELECT id, room, score FROM entries WHERE tenant = ? ORDER BY score, id LIMIT 100"
            for number, room, score in db.execute(query, (tenant,)).fetchall():
                if total <= max_bytes:
                    break
                db.execute("DELETE FROM entries WHERE id = ?", (number,))
                db.execute("UPDATE tenants SET level = max(level, ?) WHERE id = ?", (score, tenant))
                total -= room
                gone += 1

    def used(self, db: sqlite3.Connection, keys: Iterable[bytes]) -> None:
        """Raise the scores of entries that were given."""
        tenant = self.id(db)
        (level,) = db.execute("SELECT level FROM tenants WHERE id = ?", (tenant,)).fetchone()
        db.executemany(
            "UPDATE entries SET uses = uses + 1, score = ? + (uses + 1) * seconds / room WHERE tenant = ? AND key = ?",
            [(level, tenant, key) for key in keys],
        )

    def delete(self, db: sqlite3.Connection, keys: Iterable[bytes], now: float | None = None) -> int:
        """Delete entries by their keys; with a time, that is remembered."""
        tenant, gone = self.id(db), 0
        for key in keys:
            gone += db.execute("DELETE FROM entries WHERE tenant = ? AND key = ?", (tenant, key)).rowcount
            if now is not None:
                db.execute("INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?)", (tenant, key, now))
        oldest = "SELECT time FROM forgotten WHERE tenant = ? ORDER BY time DESC LIMIT 1 OFFSET ?"
        query = f"DELETE FROM forgotten WHERE tenant = ? AND key != ? AND time <= ({oldest})"
        db.execute(query, (tenant, _ALL, tenant, MOST_REMEMBERED))
        return gone

    def clear(self, db: sqlite3.Connection, owner: bytes | None, now: float) -> int:
        """Delete an owner's entries, or all, which is remembered; of an owner it is not, since nothing is to remain."""
        if owner is None:
            db.execute("DELETE FROM forgotten WHERE tenant = ?", (self.id(db),))
            db.execute("INSERT INTO forgotten VALUES (?, ?, ?)", (self.id(db), _ALL, now))
            return db.execute("DELETE FROM entries WHERE tenant = ?", (self.id(db),)).rowcount
        return db.execute("DELETE FROM entries WHERE tenant = ? AND owner = ?", (self.id(db), owner)).rowcount

    def drop_over(self, db: sqlite3.Connection, now: float) -> None:
        """Delete entries whose time is over, which an index finds, and forget what was forgotten long ago."""
        query = "DELETE FROM forgotten WHERE tenant = ? AND (time < ? OR time > ?)"
        db.execute(query, (self.id(db), now - REMEMBERED, now + SKEW))
        db.execute("DELETE FROM entries WHERE tenant = ? AND expires <= ?", (self.id(db), now))

    def expire(self, db: sqlite3.Connection, now: float) -> int:
        """Delete entries whose time is over, or that are of a time to come."""
        query = "DELETE FROM entries WHERE tenant = ? AND (expires <= ? OR created > ?)"
        return db.execute(query, (self.id(db), now, now + SKEW)).rowcount

    def totals(self, db: sqlite3.Connection) -> tuple[int, int]:
        """Return bytes and number of the tenant's entries."""
        row = db.execute("SELECT bytes, count FROM tenants WHERE id = ?", (self.id(db),)).fetchone()
        return tuple(row) if row else (0, 0)

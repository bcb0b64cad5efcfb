"""Bring a database to the tables that this code knows, one process at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....errors import StoreError, short
from ....extras import optional

LOCK = 0x65766F63
"""Key of the advisory lock that a Postgres database is migrated under."""


def migrate(connection: Any) -> None:
    """Run the migrations that a database has not seen.

    Args:
        connection: of SQLAlchemy, in a transaction that may write; SQLite holds its lock by that, and Postgres takes an
            advisory one here, until the transaction ends.

    Raises:
        DependencyError: if Alembic is not installed.
        StoreError: if a newer evocache made the tables.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    config = optional("alembic.config").Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    scripts = optional("alembic.script").ScriptDirectory.from_config(config)
    current = optional("alembic.migration").MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"a database of events of revision {short(current)}",
            f"revision {scripts.get_current_head()} or an older one",
            "open it with the evocache that made it, or a newer one",
        )
    config.attributes["connection"] = connection
    optional("alembic.command").upgrade(config, "head")

"""Bring a database to the tables that this code knows, one process at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import StoreError, short
from ....extras import optional

LOCK = 0x65766F63
"""Key of the advisory lock that a Postgres database is migrated under."""

_SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migrations:
    """A line of migrations, which makes some of a database's tables and knows nothing of the others.

    Attributes:
        what: what the tables hold, for messages.
        versions: folder of its migrations, one a file.
        table: where a database notes which of them it has seen; each line has its own.
    """

    what: str
    versions: Path
    table: str


EVENTS = Migrations("events", _SCRIPTS / "versions", "alembic_version")


def migrate(connection: Any, migrations: Migrations = EVENTS) -> None:
    """Run the migrations that a database has not seen.

    Args:
        connection: of SQLAlchemy, in a transaction that may write; SQLite holds its lock by that, and Postgres takes an
            advisory one here, until the transaction ends.
        migrations: which tables are made.

    Raises:
        DependencyError: if Alembic is not installed.
        StoreError: if a newer evocache made the tables.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    config = optional("alembic.config").Config()
    options = {
        "script_location": str(_SCRIPTS),
        "version_locations": str(migrations.versions),
        "path_separator": "newline",
    }
    for name, value in options.items():
        config.set_main_option(name, value.replace("%", "%%"))
    scripts = optional("alembic.script").ScriptDirectory.from_config(config)
    noted = {"version_table": migrations.table}
    context = optional("alembic.migration").MigrationContext.configure(connection, opts=noted)
    current = context.get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"a database of {migrations.what} of revision {short(current)}",
            f"revision {scripts.get_current_head()} or an older one",
            "open it with the evocache that made it, or a newer one",
        )
    config.attributes.update(connection=connection, **noted)
    optional("alembic.command").upgrade(config, "head")

"""A Postgres server of the tests' own, on a free port of this machine, in a folder that is thrown away; and databases.

`postgres` is a server that the session shares, `database_url` runs a test over an empty database of each kind.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
"""Where files need no disk: tests wait for a disk hundreds of times."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Give a server that runs."""
    if reason := refusal():
        pytest.skip(reason)
    with server() as running:
        yield running


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """Give a folder, in memory where there is such a one."""
    fast = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(
        dir=MEMORY if fast else None, prefix="evocache-test-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, fast_folder: Path) -> str:
    """Give the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{fast_folder / 'server.db'}"
    running: Server = request.getfixturevalue("postgres")
    return running.empty()


def binaries() -> Path | None:
    """The folder of Postgres' programs, or None where it is not installed."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def refusal() -> str | None:
    """Why no server can be started here, or None."""
    if binaries() is None:
        return "needs Postgres (Debian: apt-get install postgresql): shows that it keeps events as SQLite does"
    if os.getuid() == 0 and shutil.which("runuser") is None:
        return "Postgres does not run as root, and runuser is not there"
    return None


@contextmanager
def server() -> Iterator[Server]:
    """Run a server until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="evocache-postgres-"))
    started = Server(folder)
    try:
        started.initialise()
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A server that can be stopped and started again on the same port.

    Args:
        folder: where its files are; its user must be able to write there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._shared: str | None = None
        found = binaries()
        assert found is not None
        self.binaries = found
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def _as_user(self, *command: str) -> list[str]:
        return ["runuser", "-u", "nobody", "--", *command] if os.getuid() == 0 else [*command]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+pg8000://tests:secret-word@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        word = self._folder / "password"
        word.write_text("secret-word")
        if os.getuid() == 0:
            shutil.chown(self._folder, "nobody")
            shutil.chown(word, "nobody")
        options = ["-D", str(self._data), "-U", "tests", "-A", "scram-sha-256", "--pwfile", str(word), "-E", "UTF8"]
        self._run(*self._as_user(str(self.binaries / "initdb"), *options, "--no-sync", "--locale=C"))

    def start(self) -> None:
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        options += [
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
        ]  # a busy disk makes each database take half a minute
        command = self._as_user(str(self.binaries / "postgres"), "-D", str(self._data), *options)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True)
        until = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until, "Postgres did not start within a minute"
            time.sleep(0.1)

    def _answers(self) -> bool:
        ask = [str(self.binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, capture_output=True).returncode == 0

    def stop(self) -> None:
        """End the server by its id, at once: clients lose their connections."""
        if self._process is None:
            return
        lines = (self._data / "postmaster.pid").read_text().splitlines() if self._data.exists() else []
        if lines:
            os.kill(int(lines[0]), signal.SIGINT)
        self._process.wait(60)
        self._process = None

    def create(self, database: str) -> str:
        """Make an empty database, and return its URL."""
        self.tool("createdb", database)
        return self.url(database)

    def empty(self) -> str:
        """Return the URL of a database that tests use in turns, without what the last one left there."""
        if self._shared is None:
            self._shared = self.create("shared")
        else:
            self.tool("psql", "-q", "-d", "shared", "-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public")
        return self._shared

    def tool(self, name: str, *arguments: str) -> bytes:
        """What one of Postgres' programs prints."""
        env = {**os.environ, "PGPASSWORD": "secret-word"}
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "tests"]
        return self._run(str(self.binaries / name), *where, *arguments, env=env)

    def _run(self, *command: str, env: dict[str, str] | None = None) -> bytes:
        done = subprocess.run(command, capture_output=True, cwd=self._folder, env=env)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

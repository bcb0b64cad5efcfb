"""Jobs as servers run them: whose turn it is to run a job, how far it is, how it ends, and what if a server dies."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..database.alone import Presence
from ..database.database import Database
from .record import Failure, JobRecord, Point, Result
from .rows import failure_text, one, points_text, read_points, result_text
from .states import State
from .store import JobStore, expiry

LEASE = 30.0
"""Seconds that a server may be silent before others take its jobs; it is to be heard three times in that."""

CRASHES = 2
"""So many times a job may end what runs it; then it has failed."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What servers that died had begun.

    Attributes:
        queued: ids of jobs that are to run again.
        failed: ids of jobs that failed, since they had been running in too many that died.
        interrupted: how many plain calls ended with their server.
    """

    queued: tuple[str, ...]
    failed: tuple[str, ...]
    interrupted: int


class JobRuns:
    """Jobs as one server runs them. Threads may share it.

    A server begins a job by changing it from queued to running, which one server alone can. From then on the job is
    its own until it ends, goes back, or is deleted; each method that is given a job says whether it still
    is. Call `heartbeat` every `lease / 3` seconds: a server that is silent for longer than `lease` has lost its jobs.
    Clocks of servers must agree to a few seconds.

    Args:
        store: where the jobs are.
        database: the store's.
        lease: seconds of silence after which a server counts as dead.
        crashes: so many times a job may end what runs it.

    Attributes:
        server: name of this server.
        first: whether it is known that all servers before it are dead.

    Every method raises `StoreError` if the database is away, locked or full.
    """

    def __init__(self, store: JobStore, database: Database, *, lease: float = LEASE, crashes: int = CRASHES) -> None:
        self._store, self._database, self._sa = store, database, database.sa
        self._jobs, self._calls, self._servers = (database.tables[name] for name in ("jobs", "calls", "servers"))
        self._pictures = database.tables["job_pictures"]
        self.lease, self.crashes = lease, crashes
        self.server = f"server_{secrets.token_hex(8)}"
        self._presence = Presence(database.path)
        self.first = self._presence.alone
        try:
            if self.first:
                with database.writing() as connection:
                    connection.execute(self._servers.delete())
            self.heartbeat()
        except BaseException:
            self._presence.close()
            raise
        self._presence.settle()

    def begin(self, id: str) -> JobRecord | None:
        """Begin a queued job; whoever begins one lives, so this is a `heartbeat`, too.

        Returns:
            The job, which is this server's now; None if it is queued no more.
        """
        columns = self._jobs.c
        values = {"state": "running", "server": self.server, "started": self._store.clock(), "progress": 0}
        change = self._jobs.update().where(self._queued(id)).values(attempts=columns.attempts + 1, **values)
        with self._database.writing() as connection:
            self._beat(connection)
            return one(connection, change.returning(*columns))

    def choose(self, job: JobRecord, point: Point, number: int = 0) -> Point | None:
        """Keep the point that a picture of a job is made at, unless one was chosen in an earlier attempt.

        Args:
            job: as `begin` returned it.
            point: what is chosen now.
            number: of the picture.

        Returns:
            The point that is to be taken, so that a job that runs again gives the same; None if the job is no longer
            this server's.
        """
        with self._database.writing() as connection:
            asked = self._sa.select(self._jobs.c.points).where(self._mine(job)).with_for_update()
            text = connection.execute(asked).scalar()
            if text is None:
                return None
            points = {number: point, **read_points(text)}
            change = self._jobs.update().where(self._mine(job)).values(points=points_text(points))
            connection.execute(change)
            return points[number]

    def progress(self, job: JobRecord, percent: int) -> bool:
        """Keep how far a job is; once a second is enough, since each call waits for the disk. It never goes back.

        Returns:
            Whether the job is still this server's; if not, it is to be stopped.
        """
        known = self._jobs.c.progress
        more = self._sa.case((known < percent, percent), else_=known)
        return self._change(self._mine(job), {"progress": more})

    def finish(self, job: JobRecord, result: Result) -> bool:
        """End a job with its result, whose files are whole (`ResultFiles.keep`).

        Returns:
            Whether it was still this server's; if not, the files are to be deleted.
        """
        room = result.bytes + self._pictures_bytes
        values = {**self._end("done"), "progress": 100, "result": result_text(result), "bytes": room}
        return self._change(self._mine(job), values)

    def fail(self, job: JobRecord, failure: Failure) -> bool:
        """End a job with the reason why it failed; one that is queued still ends as well.

        Returns:
            Whether it was still this server's, or still queued.
        """
        meant = self._queued(job.id) if job.state == "queued" else self._mine(job)
        return self._change(meant, {"error": failure_text(failure), **self._end("failed")})

    def release(self, job: JobRecord) -> bool:
        """Put a job back into the queue that was stopped in good order, as by a server that drains."""
        return self._change(self._mine(job), {"state": "queued", "server": None, "progress": 0})

    def give_back(self, ids: Collection[str]) -> None:
        """Put jobs back into the queue that are this server's, and that it does not run."""
        columns = self._jobs.c
        mine = self._sa.and_(columns.state == "running", columns.server == self.server, columns.id.in_([*ids]))
        self._change(mine, {"state": "queued", "server": None, "progress": 0})

    def heartbeat(self) -> frozenset[str]:
        """Say that this server lives.

        Returns:
            Ids of the jobs that are this server's. Others that it runs were deleted or taken: stop them.
        """
        with self._database.writing() as connection:
            self._beat(connection)
            columns = self._jobs.c
            asked = self._sa.select(columns.id).where(columns.state == "running", columns.server == self.server)
            return frozenset(connection.execute(asked).scalars())

    def recover(self) -> Recovered:
        """Take back what servers that died had begun: at the start, and now and then where there are several.

        A job of which nothing was computed yet, so that it has no point, cannot be why its server died: it goes back
        and counts no crash.

        A server is dead if it was silent for longer than its lease. The first server on a file of SQLite knows when it
        is made that all before it are.
        """
        now = self._store.clock()
        with self._database.writing() as connection:
            names = self._servers.c
            seen = self._sa.select(names.name, names.until).order_by(names.name).with_for_update()  # one at a time
            rows = connection.execute(seen).all()
            living = [self.server, *(name for name, until in rows if until > now and name != self.server)]
            lost = self._jobs.c.server.not_in(living)
            had_begun = self._sa.and_(self._jobs.c.state == "running", lost)
            untouched = self._sa.and_(had_begun, self._jobs.c.points == points_text({}))
            change = self._jobs.update().where(untouched).values(state="queued", server=None, progress=0)
            back = tuple(connection.execute(change.returning(self._jobs.c.id)).scalars())
            queued, failed = self._crash(connection, had_begun)
            left = self._calls.update().where(self._calls.c.state == "running", self._calls.c.server.not_in(living))
            interrupted = connection.execute(left.values(state="interrupted", ended=now)).rowcount
            connection.execute(self._servers.delete().where(names.name.not_in(living)))
        return Recovered(back + queued, failed, interrupted)

    def close(self) -> None:
        """Leave: what this server still runs goes back to the queue, and others need not wait for its lease."""
        jobs, calls = self._jobs, self._calls
        try:
            with self._database.writing() as connection:
                connection.execute(self._servers.delete().where(self._servers.c.name == self.server))
                mine = jobs.update().where(jobs.c.state == "running", jobs.c.server == self.server)
                connection.execute(mine.values(state="queued", server=None, progress=0))
                left = calls.update().where(calls.c.state == "running", calls.c.server == self.server)
                connection.execute(left.values(state="interrupted", ended=self._store.clock()))
        finally:
            self._presence.close()

    def _beat(self, connection: Any) -> None:
        until, mine = self._store.clock() + self.lease, self._servers.c.name == self.server
        if not connection.execute(self._servers.update().where(mine).values(until=until)).rowcount:
            connection.execute(self._servers.insert(), {"name": self.server, "until": until})

    def _mine(self, job: JobRecord) -> Any:
        """The condition that a job is this server's, and in the attempt that it was in."""
        columns = self._jobs.c
        running = self._sa.and_(columns.id == job.id, columns.state == "running")
        return self._sa.and_(running, columns.server == self.server, columns.attempts == job.attempts)

    def _queued(self, id: str) -> Any:
        return self._sa.and_(self._jobs.c.id == id, self._jobs.c.state == "queued")

    def _end(self, state: State) -> Mapping[str, Any]:
        now = self._store.clock()
        ended = {"ended": now, "expires": expiry(now, self._store.keep), "bytes": self._pictures_bytes}
        return {"state": state, "server": None, **ended}

    @property
    def _pictures_bytes(self) -> Any:
        """Bytes of the pictures that were given with a job, which stay as long as it does; their text is ASCII."""
        sa, kept = self._sa, self._pictures.c
        found = sa.select(sa.func.length(kept.pictures)).where(kept.id == self._jobs.c.id)
        return sa.func.coalesce(found.correlate(self._jobs).scalar_subquery(), 0)

    def _change(self, meant: Any, values: Mapping[str, Any]) -> bool:
        with self._database.writing() as connection:
            return bool(connection.execute(self._jobs.update().where(meant).values(values)).rowcount)

    def _crash(self, connection: Any, meant: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Put running jobs back into the queue, and fail those that crashed too often; return ids of both."""
        columns = self._jobs.c
        change = self._jobs.update().where(meant).returning(columns.id)
        crashed = {"crashes": columns.crashes + 1, "server": None}
        times = {1: "", 2: " twice"}.get(self.crashes, f" {self.crashes} times")
        text = failure_text(Failure("crashed", f"the server that made it died{times}"))
        failed = change.where(columns.crashes + 1 >= self.crashes)
        failed = failed.values({**crashed, **self._end("failed"), "error": text})
        ended = tuple(connection.execute(failed).scalars())
        queued = change.values({**crashed, "state": "queued", "progress": 0})
        return tuple(connection.execute(queued).scalars()), ended

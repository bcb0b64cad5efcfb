"""Whatever owners, servers and crashes do in whatever order, jobs go from state to state as is said, in their hands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from hypothesis.strategies import integers, sampled_from

from evocache.serve.database.database import Database
from evocache.serve.jobs.record import Failure, JobRecord, Point
from evocache.serve.jobs.runs import JobRuns
from evocache.serve.jobs.states import FOLLOW
from evocache.serve.jobs.store import JobStore
from tests.serve.jobs.records import MINE, Clock, record, result

LEASE, KEEP = 30.0, 100.0
BROKEN = Failure("pipeline", "it broke")
SERVERS = sampled_from([0, 1, 2])


class Jobs(RuleBasedStateMachine):
    """Jobs of one owner, run by three servers, beside a model: what each job should be, and whose it is.

    `claims` are what servers were given when they began a job; they use them long after, as late workers do.
    """

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="evocache-test-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.clock = Clock()
        self.database = Database(f"sqlite:///{self.folder.name}/server.db")
        self.store = JobStore(self.database, keep=KEEP, clock=self.clock)
        self.servers = [JobRuns(self.store, self.database, lease=LEASE) for _ in range(3)]
        self.expected: dict[str, JobRecord] = {}
        self.holder: dict[str, int] = {}
        self.heard = [self.clock.now] * 3
        self.seen: dict[str, JobRecord] = {}

    def teardown(self) -> None:
        for server in self.servers:
            server.close()
        self.database.close()
        self.folder.cleanup()

    @initialize(target=jobs)
    def begin_with_two(self):
        return multiple(self.add(), self.add())

    def _end(self, id: str, **values: object) -> None:
        now = self.clock.now
        self.holder.pop(id, None)
        self.expected[id] = replace(self.expected[id], ended=now, expires=now + KEEP, **values)

    def _crash(self, id: str) -> None:
        crashes = self.expected[id].crashes + 1
        self.holder.pop(id)
        self.expected[id] = replace(self.expected[id], crashes=crashes)
        if crashes < 2:
            self.expected[id] = replace(self.expected[id], state="queued", progress=0)
        else:
            self._end(id, state="failed", error=Failure("crashed", "the server that made it died twice"), bytes=0)

    def _mine(self, claim: tuple[int, JobRecord]) -> bool:
        server, job = claim
        same = job.id in self.expected and self.expected[job.id].attempts == job.attempts
        return same and self.holder.get(job.id) == server

    @rule(target=jobs)
    def add(self):
        job = record(bytes=50)
        self.store.add(job)
        self.expected[job.id] = job
        return job.id

    @rule(target=claims, id=jobs, server=SERVERS)
    def begin(self, id, server):
        begun = self.servers[server].begin(id)
        self.heard[server] = self.clock.now
        was = self.expected.get(id)
        if was is None or was.state != "queued":
            assert begun is None
            return multiple()
        self.expected[id] = replace(was, state="running", attempts=was.attempts + 1, progress=0, started=self.clock.now)
        self.holder[id] = server
        assert begun == self.expected[id]
        return server, begun

    @rule(claim=claims, index=integers(0, 5), number=integers(0, 1))
    def choose(self, claim, index, number):
        server, job = claim
        point = Point(index, f"front{index}")
        chosen = self.servers[server].choose(job, point, number)
        if self._mine(claim):
            points = {number: point, **self.expected[job.id].points}
            self.expected[job.id] = replace(self.expected[job.id], points=points)
            assert chosen == points[number]
        else:
            assert chosen is None

    @rule(claim=claims, percent=integers(0, 100))
    def progress(self, claim, percent):
        server, job = claim
        assert self.servers[server].progress(job, percent) == self._mine(claim)
        if self._mine(claim):
            now = self.expected[job.id]
            self.expected[job.id] = replace(now, progress=max(now.progress, percent))

    @rule(claim=claims, size=integers(0, 100))
    def finish(self, claim, size):
        server, job = claim
        mine = self._mine(claim)
        assert self.servers[server].finish(job, result(job, size)) == mine
        if mine:
            self._end(job.id, state="done", progress=100, result=result(job, size), bytes=size)

    @rule(claim=claims)
    def fail(self, claim):
        server, job = claim
        mine = self._mine(claim)
        assert self.servers[server].fail(job, BROKEN) == mine
        if mine:
            self._end(job.id, state="failed", error=BROKEN, bytes=0)

    @rule(claim=claims)
    def release(self, claim):
        server, job = claim
        mine = self._mine(claim)
        assert self.servers[server].release(job) == mine
        if mine:
            self.holder.pop(job.id)
            self.expected[job.id] = replace(self.expected[job.id], state="queued", progress=0)

    @rule(id=jobs)
    def delete(self, id):
        self.holder.pop(id, None)
        assert self.store.delete(id, *MINE) == self.expected.pop(id, None)

    @rule(server=SERVERS)
    def heartbeat(self, server):
        self.heard[server] = self.clock.now
        assert self.servers[server].heartbeat() == {id for id, holder in self.holder.items() if holder == server}

    @rule(seconds=sampled_from([1.0, 29.0, 30.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule(server=SERVERS)
    def recover(self, server):
        silent = {n for n in range(3) if n != server and self.heard[n] + LEASE <= self.clock.now}
        lost = {id for id, holder in self.holder.items() if holder in silent}
        found = self.servers[server].recover()
        for id in lost:
            if self.expected[id].points:
                self._crash(id)
            else:
                self.holder.pop(id)
                self.expected[id] = replace(self.expected[id], state="queued", progress=0)
        assert {*found.queued, *found.failed} == lost
        assert all(self.expected[id].state == "queued" for id in found.queued)
        assert all(self.expected[id].state == "failed" for id in found.failed)

    @invariant()
    def each_job_is_what_it_should_be(self):
        now = {job.id: job for job in self.store.list(*MINE, limit=100).records}
        assert now == self.expected
        for id, job in now.items():
            was = self.seen.get(id, job)
            assert job.state == was.state or job.state in FOLLOW[was.state]
            assert job.points.items() >= was.points.items(), "a point that was chosen stays"
            assert (job.seed, job.request, job.created) == (was.seed, was.request, was.created)
            assert (job.state == "running") == (id in self.holder)
            assert (job.state == "done") == (job.result is not None)
            assert (job.ended is None) == job.open
        self.seen = now


Jobs.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, database=None)
TestJobs = Jobs.TestCase

"""Groups of workers: every job is answered once, lost workers are replaced, errors come back as they were."""

from __future__ import annotations

import pytest

from evocache.errors import DeviceError, MismatchError, RunError
from evocache.search.evaluate.job_times import GRACE, SLACK, START, Pace
from evocache.search.evaluate.worker_group import TRIES, Outcome, Worker, WorkerGroup, WorkerLost
from evocache.search.optimise.job import Job
from tests.search.crews import ANSWERS, JOBS, Made, exhausted, failed, plain, refused


class Scripted(WorkerGroup):
    """Workers of this process, the last to be given a job being the first to answer; some losses are made up."""

    def __init__(self, size: int, lose: dict[int, int] | None = None) -> None:
        self.size = size
        self.lose = dict(lose or {})
        self.given: list[int] = []
        self.at: dict[int, int] = {}
        self.stopped = 0

    def give(self, worker: int, job: Job) -> None:
        assert worker not in self.at, "a worker has one job at a time"
        self.at[worker] = JOBS.index(job)
        self.given.append(JOBS.index(job))

    def wait(self, seconds: float | None = None) -> list[tuple[int, Outcome]]:
        worker, number = self.at.popitem()
        if self.lose.get(number):
            self.lose[number] -= 1
            return [(worker, WorkerLost("it fell over"))]
        return [(worker, ANSWERS[number])]

    def end(self, worker: int) -> None:
        raise AssertionError("workers answer in time")

    def stop(self) -> None:
        self.stopped += 1
        self.at.clear()


@pytest.mark.parametrize("size", [1, 2, 5, 50])
def test_every_job_is_answered_once_whatever_the_order(size: int) -> None:
    group = Scripted(size)
    assert sorted(group.evaluate(JOBS)) == list(enumerate(ANSWERS))
    assert sorted(group.given) == list(range(len(JOBS)))
    assert group.stopped == 0
    assert list(group.evaluate([])) == []


def test_what_workers_are_at_is_ended_when_there_are_to_be_no_more() -> None:
    group, left = Scripted(3), iter([True] * 5)
    found = dict(group.evaluate(JOBS, lambda: next(left, False)))
    assert sorted(found) == sorted(group.given)
    assert all(found[number] == ANSWERS[number] for number in found)
    assert (len(found), group.stopped) == (5, 0)
    assert list(group.evaluate(JOBS, lambda: False)) == []


def test_long_jobs_are_given_first() -> None:
    group = Scripted(1)
    list(group.evaluate(JOBS))
    effort = [JOBS[number].step_equivalents for number in group.given]
    assert effort == sorted(effort, reverse=True)
    assert effort[0] > effort[-1]


def test_the_job_of_a_lost_worker_is_given_again() -> None:
    group = Scripted(3, lose={2: TRIES - 1, 5: 1})
    assert sorted(group.evaluate(JOBS)) == list(enumerate(ANSWERS))
    assert [group.given.count(number) for number in (2, 5, 7)] == [TRIES, 2, 1]


def test_a_job_that_costs_too_many_workers_ends_the_run_and_names_itself() -> None:
    group = Scripted(3, lose={2: TRIES})
    origin = JOBS[2].schedule.provenance.origin
    with pytest.raises(RunError, match=rf"{origin} on 3 prompts.*{TRIES} workers were lost \(it fell over\)"):
        list(group.evaluate(JOBS))
    assert group.stopped == 1


def test_a_crew_that_is_left_in_the_middle_is_stopped() -> None:
    group = Scripted(3)
    answers = group.evaluate(JOBS)
    next(answers)
    answers.close()
    assert group.stopped == 1
    assert sorted(group.evaluate(JOBS)) == list(enumerate(ANSWERS))


def test_a_hand_makes_its_evaluator_once_and_raises_nothing() -> None:
    made: list[int] = []

    def make(worker: int) -> Made:
        made.append(worker)
        return Made()

    hand = Worker(make, 7)
    assert [hand.answer(job) for job in JOBS[:3]] == ANSWERS[:3]
    assert made == [7]
    assert Worker(plain, 0).answer(JOBS[0]) == ANSWERS[0]


def test_what_goes_wrong_in_a_hand_is_its_answer() -> None:
    def make(how):
        return Worker(lambda worker: Made(lambda job: how()), 0)

    refusal = make(refused).answer(JOBS[0])
    assert isinstance(refusal, MismatchError)
    assert refusal.mend == "evolve it anew"
    failure = make(failed).answer(JOBS[0])
    assert isinstance(failure, RunError)
    assert "ZeroDivisionError: nothing to divide by" in failure.given
    assert "crews.py" in failure.given
    assert make(exhausted).answer(JOBS[0]) == WorkerLost("MemoryError")

    def full() -> None:
        raise DeviceError("a machine that fails (OutOfMemoryError)", "one that lasts", "free memory")

    assert make(full).answer(JOBS[0]) == WorkerLost("a machine that fails (OutOfMemoryError)")


class Timed(WorkerGroup):
    """One worker, on a clock of its own; it hangs over some jobs, so many times, and takes a second for the others."""

    size = 1

    def __init__(self, hang: dict[int, int], pace: Pace) -> None:
        self.hang, self.pace = dict(hang), pace
        self.now, self.ended = 0.0, 0
        self.clock = lambda: self.now
        self.at: int | None = None
        self.waited: list[float | None] = []

    def give(self, worker: int, job: Job) -> None:
        self.at = JOBS.index(job)

    def wait(self, seconds: float | None = None) -> list[tuple[int, Outcome]]:
        self.waited.append(seconds)
        assert self.at is not None
        if self.hang.get(self.at):
            assert seconds is not None, "a hung worker is waited for without end"
            self.hang[self.at] -= 1
            self.now += seconds
            return []
        self.now += 1.0
        return [(0, ANSWERS[self.at])]

    def end(self, worker: int) -> None:
        self.ended += 1

    def stop(self) -> None:
        self.at = None


def test_a_worker_that_hangs_is_ended_at_its_deadline_and_its_job_given_again() -> None:
    group = Timed({4: 1, 7: TRIES - 1}, Pace(rate=0.01))
    assert sorted(group.evaluate(JOBS)) == list(enumerate(ANSWERS))
    assert group.ended == TRIES
    # started anew, each takes its time; none is waited for longer than that and ten times as long as predicted
    work = max(job.step_equivalents + job.schedule.steps * len(job.prompts) for job in JOBS)
    assert group.now <= len(JOBS) + TRIES * (START + GRACE + SLACK * max(0.01 * work, 1.0))
    forever = Timed({4: 99}, Pace(rate=0.01))
    with pytest.raises(RunError, match=rf"{TRIES} workers were lost .no answer in \d+ s"):
        list(forever.evaluate(JOBS))


def test_nobody_is_ended_as_long_as_nothing_is_known_of_the_time() -> None:
    group = Timed({}, Pace())
    assert sorted(group.evaluate(JOBS)) == list(enumerate(ANSWERS))
    assert group.waited[:2] == [None, None]
    assert None not in group.waited[2:]  # the first job tells of loading, the second of the pace


def test_a_deadline_follows_from_the_work_and_from_what_was_seen() -> None:
    job = JOBS[0]
    work = job.step_equivalents + job.schedule.steps * len(job.prompts)
    pace = Pace(rate=2.0)
    assert pace.seconds(0, job) == START + GRACE + SLACK * 2.0 * work
    pace = pace.after(0, job, 5000.0)  # with all that a worker does before its first answer
    assert (pace.rate, pace.slowest) == (2.0, 0.0)
    assert pace.seconds(0, job) == GRACE + SLACK * 2.0 * work
    assert pace.seconds(1, job) == START + GRACE + SLACK * 2.0 * work
    slower = pace.after(0, job, 10 * job.step_equivalents)
    assert slower.rate == pytest.approx(10.0)
    assert slower.without(0).seconds(0, job) == pytest.approx(START + GRACE + SLACK * 10.0 * work)

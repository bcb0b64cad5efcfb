"""Crews: every job is answered once, lost workers are replaced, errors come back as they were."""

from __future__ import annotations

import pytest

from evocache.errors import MismatchError, RunError
from evocache.search.crew import TRIES, Crew, Hand, Lost, Outcome
from evocache.search.evolution import Job
from tests.search.crews import ANSWERS, JOBS, Made, exhausted, failed, plain, refused


class Scripted(Crew):
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

    def wait(self) -> list[tuple[int, Outcome]]:
        worker, number = self.at.popitem()
        if self.lose.get(number):
            self.lose[number] -= 1
            return [(worker, Lost("it fell over"))]
        return [(worker, ANSWERS[number])]

    def stop(self) -> None:
        self.stopped += 1
        self.at.clear()


@pytest.mark.parametrize("size", [1, 2, 5, 50])
def test_every_job_is_answered_once_whatever_the_order(size: int) -> None:
    crew = Scripted(size)
    assert sorted(crew.evaluate(JOBS)) == list(enumerate(ANSWERS))
    assert sorted(crew.given) == list(range(len(JOBS)))
    assert crew.stopped == 0
    assert list(crew.evaluate([])) == []


def test_what_workers_are_at_is_ended_when_there_are_to_be_no_more() -> None:
    crew, left = Scripted(3), iter([True] * 5)
    found = dict(crew.evaluate(JOBS, lambda: next(left, False)))
    assert sorted(found) == sorted(crew.given)
    assert all(found[number] == ANSWERS[number] for number in found)
    assert (len(found), crew.stopped) == (5, 0)
    assert list(crew.evaluate(JOBS, lambda: False)) == []


def test_long_jobs_are_given_first() -> None:
    crew = Scripted(1)
    list(crew.evaluate(JOBS))
    effort = [JOBS[number].step_equivalents for number in crew.given]
    assert effort == sorted(effort, reverse=True)
    assert effort[0] > effort[-1]


def test_the_job_of_a_lost_worker_is_given_again() -> None:
    crew = Scripted(3, lose={2: TRIES - 1, 5: 1})
    assert sorted(crew.evaluate(JOBS)) == list(enumerate(ANSWERS))
    assert [crew.given.count(number) for number in (2, 5, 7)] == [TRIES, 2, 1]


def test_a_job_that_costs_too_many_workers_ends_the_run_and_names_itself() -> None:
    crew = Scripted(3, lose={2: TRIES})
    origin = JOBS[2].schedule.provenance.origin
    with pytest.raises(RunError, match=rf"{origin} on 3 prompts.*{TRIES} workers were lost \(it fell over\)"):
        list(crew.evaluate(JOBS))
    assert crew.stopped == 1


def test_a_crew_that_is_left_in_the_middle_is_stopped() -> None:
    crew = Scripted(3)
    answers = crew.evaluate(JOBS)
    next(answers)
    answers.close()
    assert crew.stopped == 1
    assert sorted(crew.evaluate(JOBS)) == list(enumerate(ANSWERS))


def test_a_hand_makes_its_evaluator_once_and_raises_nothing() -> None:
    made: list[int] = []

    def make(worker: int) -> Made:
        made.append(worker)
        return Made()

    hand = Hand(make, 7)
    assert [hand.answer(job) for job in JOBS[:3]] == ANSWERS[:3]
    assert made == [7]
    assert Hand(plain, 0).answer(JOBS[0]) == ANSWERS[0]


def test_what_goes_wrong_in_a_hand_is_its_answer() -> None:
    def make(how):
        return Hand(lambda worker: Made(lambda job: how()), 0)

    refusal = make(refused).answer(JOBS[0])
    assert isinstance(refusal, MismatchError)
    assert refusal.mend == "evolve it anew"
    failure = make(failed).answer(JOBS[0])
    assert isinstance(failure, RunError)
    assert "ZeroDivisionError: nothing to divide by" in failure.given
    assert "crews.py" in failure.given
    assert make(exhausted).answer(JOBS[0]) == Lost("out of memory")

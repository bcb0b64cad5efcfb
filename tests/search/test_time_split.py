from pathlib import Path

from evocache.search.calibrate.run_calibration import LEAST_SCHEDULES, count_affordable_schedules
from evocache.search.storage.journal import Journal
from evocache.search.time_split import PROOF, estimate_least_left, plan_proof_seconds, plan_search_end
from tests.search.storage.test_journal import Counting, replace, run, timed


def test_the_parts_are_the_whole() -> None:
    for total in (1.0, 60.0, 7200.0):
        end = plan_search_end(total)
        assert end is not None
        assert end + plan_proof_seconds(total, end) == total
    assert plan_search_end(None) is None


def test_the_proof_takes_what_a_late_search_leaves_and_no_more_than_its_share() -> None:
    assert plan_proof_seconds(100.0, 90.0) == 10.0
    assert plan_proof_seconds(100.0, 120.0) == 0.0
    assert plan_proof_seconds(100.0, 5.0) == PROOF * 100


def test_the_search_leaves_the_shortest_proof_its_time() -> None:
    assert plan_search_end(100.0, least_proof=10.0) == 80.0
    assert plan_search_end(100.0, least_proof=35.0) == 65.0
    assert plan_search_end(20.0, least_proof=35.0) == 0.0
    for total in (50.0, 100.0):
        end = plan_search_end(total, 15.0)
        assert end is not None
        assert plan_proof_seconds(total, end) + end <= total
        assert total - end >= 15.0


def test_the_shortest_evolution_takes_more_the_slower_a_call_is() -> None:
    found = [estimate_least_left(call, answers=8, least_proof=10 * call) for call in (0.5, 1.0, 20.0)]
    assert found == sorted(found)
    assert found[0] > 10 * 0.5
    assert estimate_least_left(1.0, 9, 0.0) > estimate_least_left(1.0, 8, 0.0)


def test_a_calibration_times_as_many_schedules_as_there_is_time_for() -> None:
    assert count_affordable_schedules(0.5, within=50.0) is None
    assert count_affordable_schedules(0.5, within=9.0) is None  # just
    assert count_affordable_schedules(0.6, within=9.0) == (10, 5)
    assert count_affordable_schedules(1.0, within=9.0) == (6, 3)
    few = count_affordable_schedules(10.0, within=9.0)
    assert few is not None
    assert sum(few) == LEAST_SCHEDULES
    assert count_affordable_schedules(0.0, within=0.0) is None  # nobody knows


def test_what_was_spent_before_a_run_counts_once(tmp_path: Path) -> None:
    """Each job takes a second: of 60, 20 are spent on the calibration."""
    first, evaluator, _ = timed(tmp_path / "run", 60)
    replace(first, spent=20.0).evolve()
    assert evaluator.jobs == 40
    again, evaluator, _ = timed(tmp_path / "run", 60)
    replace(again, spent=20.0).evolve()
    assert evaluator.jobs == 0
    with Journal(tmp_path / "run" / "journal.jsonl") as journal:
        assert max(getattr(record, "seconds", 0.0) for record in journal.records) >= 59
    assert run(tmp_path / "other", Counting()).spent == 0.0

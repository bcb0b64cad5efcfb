from pathlib import Path

from evocache.search.storage.journal import Journal
from evocache.search.time_split import PROOF, proof_seconds, search_end

from .test_journal import Counting, replace, run, timed


def test_the_parts_are_the_whole() -> None:
    for total in (1.0, 60.0, 7200.0):
        end = search_end(total)
        assert end is not None
        assert end + proof_seconds(total, end) == total
    assert search_end(None) is None


def test_the_proof_takes_what_a_late_search_leaves_and_no_more_than_its_share() -> None:
    assert proof_seconds(100.0, 90.0) == 10.0
    assert proof_seconds(100.0, 120.0) == 0.0
    assert proof_seconds(100.0, 5.0) == PROOF * 100


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

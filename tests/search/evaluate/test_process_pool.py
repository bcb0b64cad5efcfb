"""Worker processes: the same answers as in one process, whatever becomes of the workers, and none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evocache.errors import MismatchError, RunError
from evocache.search.evaluate import job_times
from evocache.search.evaluate.job_times import Pace
from evocache.search.evaluate.process_pool import PoolEvaluator
from evocache.search.evaluate.worker_group import TRIES
from tests.search import crews
from tests.search.crews import ANSWERS, JOBS, Made, deadly, figures, front, plain

pytestmark = pytest.mark.slow  # each process imports the library: two seconds


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def gone(processes: list[int], seconds: float = 10.0) -> bool:
    """Whether processes end within some seconds."""
    end = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, processes))


def test_fronts_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    expected = figures(front(tmp_path / "local", Made()))
    assert len(expected) > 3
    for workers in (1, 2):
        with PoolEvaluator(plain, workers) as pool:
            assert figures(front(tmp_path / f"{workers}", pool)) == expected
            assert len(pool.processes) == workers
            processes = pool.processes
        assert not any(map(alive, processes))


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with PoolEvaluator(deadly(tmp_path / "died", times=TRIES - 1), 2) as pool:
        assert sorted(pool.evaluate(JOBS)) == list(enumerate(ANSWERS))
        assert len(list(tmp_path.glob("died*"))) == TRIES - 1
        idle = pool.processes[0]
        os.kill(idle, signal.SIGKILL)  # between two jobs
        assert sorted(pool.evaluate(JOBS)) == list(enumerate(ANSWERS))
        assert idle not in pool.processes


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("killed", RunError, "3 workers were lost .ended by SIGKILL, perhaps out of memory"),
        ("refused", MismatchError, "a schedule of another model; why: expected one of this model; try: evolve it"),
    ],
)
def test_what_ends_a_run_is_told(tmp_path: Path, how: str, kind: type[Exception], message: str) -> None:
    with PoolEvaluator(deadly(tmp_path / "died", times=99, how=getattr(crews, how)), 2) as pool:
        with pytest.raises(kind, match=message):
            list(pool.evaluate(JOBS))
        assert pool.processes == []


def test_a_worker_that_hangs_is_ended_and_its_job_given_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_times, "GRACE", 5.0)
    with PoolEvaluator(deadly(tmp_path / "hung", times=1, how=crews.hung), 1) as pool:
        assert list(pool.evaluate(JOBS[:1])) == [(0, ANSWERS[0])]
        (process,) = pool.processes
        pool.pace = Pace(rate=1e-6, started=pool.pace.started)
        assert sorted(pool.evaluate(JOBS)) == list(enumerate(ANSWERS))
        assert not alive(process)


def test_a_script_that_starts_workers_while_it_is_imported_is_told_how(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from evocache.search.evaluate.process_pool import PoolEvaluator\n"
        "from tests.search.crews import JOBS, plain\n"
        "with PoolEvaluator(plain, 1) as pool:\n"
        "    list(pool.evaluate(JOBS[:1]))\n"
    )
    words = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in ("", *sys.path) if path)}
    found = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 1
    assert "under `if __name__ == '__main__':`" in found.stderr


def test_ctrl_c_is_not_for_workers() -> None:
    with PoolEvaluator(plain, 1) as pool:
        list(pool.evaluate(JOBS[:1]))
        (process,) = pool.processes
        os.kill(process, signal.SIGINT)
        assert sorted(pool.evaluate(JOBS)) == list(enumerate(ANSWERS))
        assert pool.processes == [process]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from evocache.search.evaluate.process_pool import PoolEvaluator\n"
        "from tests.search.crews import JOBS, plain\n"
        "pool = PoolEvaluator(plain, 2)\n"
        "list(pool.evaluate(JOBS))\n"
        "print(*pool.processes, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(alive, workers))
        process.kill()
    assert gone(workers)

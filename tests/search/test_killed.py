"""A run in a real process, killed at any moment: what it resumes to is the front of the run that was never broken."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from evocache.errors import RunError
from evocache.search.run import JOURNAL
from evocache.search.storage.journal import Journal
from evocache.search.storage.run_lock import lock_run
from tests.search.crews import Made, figures, front

pytestmark = pytest.mark.slow

SLOW = """
import sys, time
from pathlib import Path
from evocache.search.termination import end_on_sigterm
from tests.search.crews import Made, front
with end_on_sigterm():
    print("begun", flush=True)
    front(Path(sys.argv[1]), Made(lambda job: time.sleep(float(sys.argv[2]))))
"""


def begun(folder: Path, pause: float = 0.003, **others: object) -> subprocess.Popen[str]:
    """A process that has just begun the run in a folder."""
    words = [sys.executable, "-c", SLOW, str(folder), str(pause)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **others)  # type: ignore[call-overload]
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process  # type: ignore[no-any-return]


def lines(folder: Path) -> int:
    file = folder / JOURNAL
    return file.read_bytes().count(b"\n") if file.exists() else 0


def grown(folder: Path, process: subprocess.Popen[str], count: int) -> None:
    """Wait until a journal has so many lines."""
    while lines(folder) < count and process.poll() is None:
        time.sleep(0.001)


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(tmp_path: Path) -> None:
    expected = figures(front(tmp_path / "whole", Made()))
    rng = np.random.default_rng(0)
    folder = tmp_path / "broken"
    known = 0
    for times in range(4):
        process = begun(folder)
        grown(folder, process, known + int(rng.integers(1, 30)))
        time.sleep(float(rng.uniform(0, 0.005)))
        (process.kill if times % 2 else process.terminate)()
        process.communicate()
        assert lines(folder) >= known  # nothing is lost
        known = lines(folder)
        file = folder / JOURNAL
        if known:  # killed in the middle of writing a line, too
            data = file.read_bytes()
            last = data.rindex(b"\n", 0, -1) + 1
            file.write_bytes(data[: int(rng.integers(last, len(data)))])
            known -= 1
    assert 0 < known < lines(tmp_path / "whole")
    assert figures(front(folder, Made())) == expected


def test_a_second_process_is_refused_while_the_first_works_or_only_claims(tmp_path: Path) -> None:
    process = begun(tmp_path, pause=0.1)
    try:
        grown(tmp_path, process, 5)
        before = lines(tmp_path)
        with pytest.raises(RunError, match="in use by another process"):
            front(tmp_path, Made())
        assert lines(tmp_path) - before <= 2
    finally:
        process.kill()
        process.communicate()
    code = (
        "import sys\nfrom pathlib import Path\nfrom evocache.search.storage.run_lock import lock_run\n"
        "with lock_run(Path(sys.argv[1])): pass"
    )
    with lock_run(tmp_path):
        words = [sys.executable, "-c", code, str(tmp_path)]
        second = subprocess.run(words, capture_output=True, text=True, check=False)
        assert "in use by another process" in second.stderr
    with lock_run(tmp_path):  # a claim ends
        pass


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    """Files of the process cannot grow beyond a size, as on a full disk."""
    expected = figures(front(tmp_path / "whole", Made()))
    size = (tmp_path / "whole" / JOURNAL).stat().st_size // 2

    def limited() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    folder = tmp_path / "full"
    process = begun(folder, pause=0.0, preexec_fn=limited)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{folder / JOURNAL} (file too large)" in stderr
    assert "try: free space" in stderr
    with Journal(folder / JOURNAL) as journal:
        assert len(journal.records) > 10
        assert (folder / JOURNAL).stat().st_size <= size
    assert figures(front(folder, Made())) == expected

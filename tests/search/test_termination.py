"""Runs that are ended from outside leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import torch

from evocache.search.evaluate.worker_recipe import _stored
from evocache.search.termination import end_on_sigterm
from tests.search.evaluate.test_worker_recipe import tiny

HELD = """
import tempfile, time
from evocache.search.termination import end_on_sigterm
with end_on_sigterm(), tempfile.TemporaryDirectory(dir={folder!r}):
    print("held", flush=True)
    time.sleep(60)
"""


def test_sigterm_undoes_what_was_begun(tmp_path: Path) -> None:
    code = HELD.format(folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_handlers_are_as_they_were() -> None:
    # raised in this thread: another one might be given a signal of the process when the handler is gone
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # else a test before left one, and the signal ends pytest
    with end_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == 143
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # while what was begun is undone
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with end_on_sigterm():  # whoever has a handler keeps it
            signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_thread_is_told_of_no_signal() -> None:
    found: list[object] = []

    def other() -> None:
        with end_on_sigterm():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files without a name that others can open: Linux")
def test_the_copy_for_workers_has_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipe = tiny()
    own = dict(pipe.transformer.named_parameters())
    with _stored(pipe) as stored:
        assert not list(tmp_path.iterdir())  # whatever ends this process now, nothing is left
        code = "import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))"
        words = [sys.executable, "-c", code, str(stored.path)]  # in another process
        found = subprocess.run(words, capture_output=True, text=True, check=True)
        assert int(found.stdout) > len(own)
        copy = stored()
    assert all(torch.equal(weight, own[name]) for name, weight in copy.transformer.named_parameters())
    assert not stored.path.exists() or not stored.path.is_file()


def test_where_nobody_can_open_a_file_without_a_name_it_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getpid", lambda: 0)  # there is no /proc/0
    with _stored(tiny()) as stored:
        assert stored.path.is_relative_to(tmp_path)
        assert stored().transformer is not None
    assert not list(tmp_path.iterdir())

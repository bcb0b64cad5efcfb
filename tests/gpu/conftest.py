"""Where the tests of this folder run, and under which settings."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import torch

from tests.gpu.rig import Rig, device_of_tests, rig

NOTES: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of the folder is marked, and skipped where there is no GPU; warnings are errors if they are ours."""
    here = Path(__file__).parent
    usable = torch.cuda.is_available() or os.environ.get("EVOCACHE_TEST_DEVICE") == "cpu"
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.filterwarnings("error:n[a-z]* (all of the schedule|was reused)"))
            if not usable:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What fails is written down at once where `EVOCACHE_TEST_FAILURES` names a file: rented GPUs go any minute."""
    report = yield
    path = os.environ.get("EVOCACHE_TEST_FAILURES")
    if path and report.failed:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{item.nodeid} ({report.when})\n{report.longreprtext}\n\n")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that tests measured, since they are worth knowing where all is well, too."""
    if NOTES:
        terminalreporter.write_line("")
        for note in NOTES:
            terminalreporter.write_line(note)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a figure at the end of the session."""
    return lambda text: NOTES.append(f"{request.node.name}: {text}")


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The device that is tested."""
    return device_of_tests()


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sums in full precision and a fixed order, so that slices and wholes may be compared."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    yield
    gc.collect()


@pytest.fixture(scope="session")
def _rigs() -> dict[tuple[str, torch.dtype], Rig]:
    return {}


@pytest.fixture
def made(_rigs: dict[tuple[str, torch.dtype], Rig]) -> Callable[..., Rig]:
    """`made("wan")`: a pipeline on the device, built once, to be left as it was found."""

    def get(name: str, dtype: torch.dtype = torch.float32) -> Rig:
        if (name, dtype) not in _rigs:
            _rigs[name, dtype] = rig(name, dtype)
        return _rigs[name, dtype]

    return get

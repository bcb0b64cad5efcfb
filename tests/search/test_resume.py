"""Run folders of a real pipeline that were left half made: gone on with, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from evocache import evolve_run
from evocache.errors import Error, RunError
from evocache.search.calibrate import run_calibration
from evocache.search.calibrate.calibration_file import read_calibration
from evocache.search.optimise.settings import Settings
from evocache.search.run import JOURNAL
from evocache.validation.proof_file import read_proof
from tests.test_evolve_run import CALL, PROMPTS

pytestmark = [pytest.mark.usefixtures("hasty"), pytest.mark.slow]


class PulledPlugError(Exception):
    pass


@pytest.fixture
def pipe(family):
    return family("pixart").pipe


def evolve(pipe, folder: Path, until: str = "", generations: int = 1) -> None:
    """Evolve, or stop where a stage begins."""

    def stage(name: str) -> None:
        if name == until:
            raise PulledPlugError

    settings = Settings(population=6, offspring=4, generations=generations, prompts=2, rungs=())
    evolve_run.evolve(
        pipe, PROMPTS[:2], call=CALL, out=folder, settings=settings, batch=2, budget_seconds=30, stage=stage
    )


def test_what_was_calibrated_is_not_calibrated_again(pipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PulledPlugError):
        evolve(pipe, tmp_path, until="evolving")
    assert not (tmp_path / JOURNAL).exists()
    with pytest.raises(Error, match="evolve it to its end"):
        read_proof(tmp_path)
    (tmp_path / ".calibration.json.1.2.tmp").write_text('{"half": ')  # killed while writing it
    before = (tmp_path / "calibration.json").read_bytes()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it is calibrated again")

    monkeypatch.setattr(run_calibration, "calibrate", never)
    with pytest.raises(PulledPlugError):
        evolve(pipe, tmp_path, until="proving", generations=0)
    evaluated = (tmp_path / JOURNAL).read_text().count('"eval"')
    evolve(pipe, tmp_path, generations=0)
    assert (tmp_path / JOURNAL).read_text().count('"eval"') == evaluated
    assert (tmp_path / "calibration.json").read_bytes() == before
    assert len(read_proof(tmp_path).front) >= 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', "\x00\x01"])
def test_a_damaged_calibration_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(RunError, match="calibration"):
        read_calibration(tmp_path)

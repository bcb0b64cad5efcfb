"""A real Ray cluster on this machine: the fronts of one process, also when a worker is killed."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evocache.clusters import restore_sigterm
from evocache.errors import DependencyError, MismatchError, RunError
from evocache.search.evaluate.ray import RayEvaluator
from evocache.search.evaluate.worker_group import TRIES
from tests.search import crews
from tests.search.crews import JOBS, Made, deadly, figures, front, plain

CONNECTED = """
import sys, time
import ray
from evocache.search.evaluate.ray import RayEvaluator
from evocache.search.termination import end_on_sigterm
from tests.search.crews import plain
settings = dict(num_cpus=1, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False,
                logging_level=40, _node_ip_address="127.0.0.1")
init = ray.init
ray.init = lambda **_: init(**settings)  # one of its own, as if it were there
def wait():
    print("waiting", flush=True)
    time.sleep(60)
def connected():
    with RayEvaluator(plain):
        if sys.argv[1] == "within":
            wait()
if sys.argv[1] == "around":
    connected()
with end_on_sigterm():
    connected()
    wait()
"""

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'evocache[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two CPUs, reachable from this machine only."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=80_000_000,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
        )
        yield
        ray.shutdown()
    restore_sigterm(before)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["within", "after", "around"])
def test_sigterm_is_not_ray_s(order: str) -> None:
    """Ray answers SIGTERM itself while it is connected, and stops listening without giving the handler back."""
    words = [sys.executable, "-c", CONNECTED, order]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"])
def test_an_address_that_cannot_be_reached_is_told(address: str) -> None:
    with pytest.raises(RunError, match=f"Ray address '{address}'.*ray start --head"):
        RayEvaluator(plain, address)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DependencyError, match=r'pip install "evocache\[ray\]"'):
        RayEvaluator(plain)


@pytest.mark.slow
def test_a_killed_actor_is_replaced_and_the_front_is_that_of_one_process(cluster: None, tmp_path: Path) -> None:
    expected = figures(front(tmp_path / "local", Made()))
    mark = tmp_path / "died"
    with RayEvaluator(deadly(mark, times=TRIES - 1)) as group:
        assert group.size == 2
        assert figures(front(tmp_path / "ray", group)) == expected
    assert len(list(tmp_path.glob("died*"))) == TRIES - 1
    assert ray.is_initialized()  # who connected disconnects


@pytest.mark.slow
def test_what_ends_a_run_is_told(cluster: None, tmp_path: Path) -> None:
    refusing = RayEvaluator(deadly(tmp_path / "refused", times=99, how=crews.refused))
    with refusing, pytest.raises(MismatchError, match="try: evolve it anew"):
        list(refusing.evaluate(JOBS))
    dying = RayEvaluator(deadly(tmp_path / "killed", times=99))
    with dying, pytest.raises(RunError, match=rf"{TRIES} workers were lost \(.*actor died"):
        list(dying.evaluate(JOBS))


@pytest.mark.slow
def test_a_cluster_without_what_is_needed_is_refused(cluster: None) -> None:
    with pytest.raises(RunError, match="without a GPU"):
        RayEvaluator(plain, gpu=True)


def test_a_refused_cluster_is_left(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that the evaluator made ends where the cluster lacks what is needed."""
    ended: list[bool] = []
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: None)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with pytest.raises(RunError, match="without a GPU"):
        RayEvaluator(plain, gpu=True)
    assert ended == [True]
    assert signal.getsignal(signal.SIGTERM) == before

"""What several servers can share; what cannot work is refused before anything starts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import Error, ModelError, ServeError
from evocache.serve.ray_app import app
from evocache.serve.ray_app.application import build_application
from evocache.serve.ray_app.deploy import serve_on_ray
from evocache.serve.ray_app.replica import Replica
from evocache.serve.ray_app.replica_settings import ReplicaSettings
from evocache.serve.ray_app.spread import MARK, check_folder, check_spread, mark_folder
from evocache.serve.run import listen
from evocache.serve.settings import Settings

pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'evocache[ray]'")

POSTGRES = "postgresql://evocache@db/evocache"


def told(**settings: Any) -> Settings:
    return Settings({"emoji": "zoo:emoji"}, **{"folder": Path("served"), "secret": b"s" * 32, **settings})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "no database.*give --database postgresql://"),
        ({"database": "sqlite:///jobs.db"}, "no Postgres.*a file of SQLite is for one machine"),
        ({"database": POSTGRES, "secret": None}, "no secret.*links of one open at the others"),
    ],
)
def test_what_several_servers_cannot_share_is_refused(settings: dict[str, Any], said: str):
    with pytest.raises(ServeError, match=said):
        build_application(told(**settings), ReplicaSettings(2))
    with pytest.raises(ServeError, match=said):
        serve_on_ray(told(**settings), "local", ReplicaSettings(2))


def test_a_port_that_nobody_knows_is_refused():
    with pytest.raises(ServeError, match=r"port 0.*--port"):
        serve_on_ray(told(database=POSTGRES, port=0), "local", ReplicaSettings())


def test_a_port_that_is_taken_is_refused():
    with listen("127.0.0.1", 0) as taken, pytest.raises(ServeError, match=r"in use.*--port"):
        serve_on_ray(told(database=POSTGRES, port=taken.getsockname()[1]), "local", ReplicaSettings())


def test_places_are_full_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A replica runs in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    models = {"a": "mine", "b": "zoo:emoji"}
    settings = check_spread(replace(told(database=POSTGRES), models=models, fronts={"a": "mine"}))
    assert settings.folder == tmp_path / "served"
    assert settings.models == {"a": str(tmp_path / "mine"), "b": "zoo:emoji"}
    assert settings.fronts == {"a": str(tmp_path / "mine")}


def test_a_folder_that_machines_do_not_share_is_seen(tmp_path: Path):
    mark = mark_folder(tmp_path / "one")
    assert mark_folder(tmp_path / "one") == mark
    check_folder(tmp_path / "one", mark)
    mark_folder(tmp_path / "other")
    for folder in ("other", "none"):
        with pytest.raises(ServeError, match="mount one disk at that path everywhere"):
            check_folder(tmp_path / folder, mark)
    assert [path.name for path in (tmp_path / "one").iterdir()] == [MARK]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Replicas set up the logs of their process, which this one is not."""
    root = logging.getLogger()
    before = [*root.handlers]
    yield
    root.handlers[:] = before


def test_who_marks_a_folder_at_the_same_time_gets_one_mark(tmp_path: Path):
    start = threading.Barrier(8)

    def mark(_: int) -> str:
        start.wait(10)
        return mark_folder(tmp_path / "one")

    with ThreadPoolExecutor(8) as threads:
        assert len({*threads.map(mark, range(8))}) == 1


class Sick:
    """A service that says why it takes no requests."""

    def __init__(self) -> None:
        self.why = ""
        self.unstartable: Error | None = None

    async def settled(self) -> str:
        return self.why


def replica(folder: Path, service: Sick, patience: float) -> Replica:
    settings = told(database=POSTGRES, folder=folder)
    return Replica(settings, mark_folder(folder), patience, lambda _: service)  # type: ignore[arg-type, return-value]


def healthy(one: Replica) -> bool:
    try:
        asyncio.run(one.check_health())
    except ServeError:
        return False
    return True


def test_a_replica_is_sick_if_it_never_was_ready_or_is_not_for_long(tmp_path: Path):
    service = Sick()
    patient, impatient = replica(tmp_path, service, 60), replica(tmp_path, service, 0)
    service.why = "models are being loaded"
    assert not healthy(patient)
    service.why = ""
    assert healthy(patient)
    assert healthy(impatient)
    service.why = "worker 0 is gone"
    assert healthy(patient)
    assert not healthy(impatient)


def test_a_replica_that_cannot_load_its_models_says_why(tmp_path: Path):
    service = Sick()
    service.unstartable = ModelError("model 'x'", "one that there is", "name another")
    with pytest.raises(ModelError, match="model 'x'"):
        asyncio.run(replica(tmp_path, service, 60).check_health())


def test_an_application_is_built_for_serve_run(postgres: Any, tmp_path: Path):
    args = {"models": '{"emoji": "zoo:emoji"}', "database": postgres.empty(), "secret": str(tmp_path / "home")}
    args |= {"folder": str(tmp_path / "served"), "replicas": "3", "cpus": "2", "gpus": "1", "drain": "10"}
    with pytest.raises(ServeError, match="without API keys"):
        app(args)
    deployment = app({**args, "insecure": "true"})._bound_deployment
    assert deployment.num_replicas == 3
    assert deployment.ray_actor_options == {"num_cpus": 2.0, "num_gpus": 1.0}
    assert deployment.max_ongoing_requests > 1000
    settings: Settings = deployment.init_args[0]
    assert settings.threads == 2, "of its workers, of which there is one"
    assert deployment._deployment_config.graceful_shutdown_timeout_s >= 20

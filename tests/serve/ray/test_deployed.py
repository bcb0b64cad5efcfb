"""What a process put on a cluster is deleted by it; what others did is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evocache.errors import ServeError
from evocache.serve.ray_app.deployed import deployed

serve = pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'evocache[ray]'")

NAME = "deployed"

pytestmark = pytest.mark.slow


class Idle:
    """Does nothing."""


class Refusing:
    """Does not start."""

    def __init__(self) -> None:
        raise ServeError("a replica", "none", "leave it")


def application(kind: type, name: str = NAME) -> Any:
    return serve.deployment(kind, name=name, ray_actor_options={"num_cpus": 0}, max_constructor_retry_count=1).bind()


def running() -> bool:
    return NAME in serve.status().applications


@pytest.fixture(autouse=True)
def _cleared(cluster: str) -> Iterator[None]:
    yield
    serve.delete(NAME)


def test_a_second_one_is_refused_and_leaves_the_first(cluster: str):
    with deployed(serve, application(Idle), NAME, None):
        with (
            pytest.raises(ServeError, match=r"application 'deployed' already \(running\).*serve\.delete"),
            deployed(serve, application(Refusing), NAME, None),
        ):
            raise AssertionError("it was refused")
        assert running()
    assert not running()


def test_what_does_not_start_is_deleted(cluster: str):
    with (
        pytest.raises(ServeError, match=r"replicas that do not start.*leave it"),
        deployed(serve, application(Refusing), NAME, None),
    ):
        raise AssertionError("it did not start")
    assert not running()


def test_what_took_its_place_stays(cluster: str):
    with deployed(serve, application(Idle), NAME, None):
        serve.run(application(Idle, "another"), name=NAME, route_prefix=None)
    assert running()

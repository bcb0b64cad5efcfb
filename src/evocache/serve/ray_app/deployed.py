"""An application on a cluster, for as long as a process wants it there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import ServeError


@contextmanager
def deployed(serve: Any, application: Any, name: str, route: str | None = "/") -> Iterator[None]:
    """Have an application run on a cluster while the block does; at the end it is deleted.

    One of that name that others deployed is neither replaced nor deleted, also if it took the place of this one
    meanwhile, as by Ray's own commands: its deployments go by other names.

    Args:
        serve: Ray Serve's module, connected to the cluster.
        application: what is deployed.
        name: of the application.
        route: where its paths begin; None for no paths.

    Raises:
        ServeError: if there is one of that name already, or its replicas do not start.
    """
    there = serve.status().applications.get(name)
    if there is not None:
        given = f"a cluster that runs an application {name!r} already ({there.status.value.lower()})"
        mend = f"end the process that deployed it; if that is gone, call ray.serve.delete({name!r}) from Python there"
        raise ServeError(given, "a cluster without one", mend)
    own: set[str] | None = None
    try:
        _start(serve, application, name, route)
        own = _deployments_of(serve, name)
        yield
    finally:
        if own is None or _deployments_of(serve, name) == own:
            serve.delete(name)


def _deployments_of(serve: Any, name: str) -> set[str]:
    """Names of the deployments of an application; none if it is not there."""
    found = serve.status().applications.get(name)
    return set() if found is None else set(found.deployments)


def _start(serve: Any, application: Any, name: str, route: str | None) -> None:
    """Start replicas, and wait until all take requests.

    Raises:
        ServeError: if they do not start.
    """
    try:
        serve.run(application, name=name, route_prefix=route)
    except RuntimeError as error:
        deployments = serve.status().applications[name].deployments.values()
        said = _last_words([str(error), *(one.message for one in deployments)])
        raise ServeError(f"replicas that do not start ({said})", "ones that do", "see Ray's logs") from None


def _last_words(messages: Sequence[str]) -> str:
    """What was wrong, of messages that hold tracebacks: the last error of evocache, else the last line."""
    lines = [line.strip() for message in messages for line in message.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("evocache.errors.")]
    return (ours or lines)[-1][:500]

"""One server of several, as Ray Serve runs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...errors import ServeError
from ..observe.logs import set_up_logs
from ..observe.traces import make_traces
from ..run import create_site
from ..service import Service
from ..settings import Settings
from .spread import check_folder

Make = Callable[[Settings], Service]
"""Makes the service of a replica, in its process."""


class Replica:
    """A server in an actor of Ray, which calls its methods; it computes in processes of its own.

    Args:
        settings: of the server, as `check_spread` returned them.
        mark: of the folder that machines share.
        patience: seconds that it may be unready, once it was ready, before Ray is to replace it.
        make: makes the service.

    Raises:
        ServeError: if the machine does not share the folder.
    """

    def __init__(self, settings: Settings, mark: str, patience: float, make: Make) -> None:
        assert settings.folder is not None, "check_spread saw to it"
        set_up_logs(settings.log)
        check_folder(settings.folder, mark)
        self._service, self._traces = make(settings), make_traces()
        self._patience = patience
        self._was_ready: float | None = None

    def __serve_build_asgi_app__(self) -> Any:
        """Return the application, which begins and ends the service."""
        return create_site(self._service, self._traces)

    async def check_health(self) -> None:
        """Say whether the server takes requests; the first time, wait until its models are loaded.

        Raises:
            ServeError: if it has taken none for longer than its patience.
            Error: of evocache, as a worker raises it, if none of them can start.
        """
        why = await self._service.settled()
        if self._service.unstartable is not None:
            raise self._service.unstartable
        now = time.monotonic()
        if not why:
            self._was_ready = now
        elif self._was_ready is None or now - self._was_ready > self._patience:
            raise ServeError(f"a replica that takes no requests ({why})", "one that does", "see its log")

    def __del__(self) -> None:
        """Send what is left of traces; Ray calls it when the service has ended."""
        if hasattr(self, "_traces"):
            self._traces.close()

"""Put a service together as its settings say."""

from __future__ import annotations

from .service import Service
from .settings import Settings
from .workers.local import LocalWorker
from .workers.supervisor import Supervisor
from .workers.worker import WorkerSettings


def create_service(settings: Settings) -> Service:
    """Create the service that settings describe; nothing is loaded before it is begun."""
    wanted = describe_worker(settings)
    if settings.workers == 0:
        return Service(settings, [LocalWorker(wanted)])
    return Service(settings, Supervisor(wanted, settings.workers))


def describe_worker(settings: Settings) -> WorkerSettings:
    """Return what each worker of a server is to hold.

    Servers of one database share their folder over a network, which is no place for weights that wait.
    """
    folder = settings.folder if settings.database is None else None
    return WorkerSettings(
        settings.models,
        settings.fronts,
        settings.memory,
        settings.device,
        settings.dtype,
        settings.open,
        settings.threads,
        loras=settings.loras,
        conditioning=settings.conditioning,
        folder=None if folder is None else str(folder.expanduser().absolute()),
    )

"""Put a service together as its settings say."""

from __future__ import annotations

from .service import Service
from .settings import Settings
from .workers.local import LocalWorker
from .workers.supervisor import Supervisor
from .workers.worker import WorkerSettings


def create_service(settings: Settings) -> Service:
    """Create the service that settings describe; nothing is loaded before it is begun."""
    wanted = WorkerSettings(
        settings.models,
        settings.fronts,
        settings.memory,
        settings.device,
        settings.dtype,
        settings.open,
        settings.threads,
        loras=settings.loras,
        conditioning=settings.conditioning,
    )
    if settings.workers == 0:
        return Service(settings, [LocalWorker(wanted)])
    return Service(settings, Supervisor(wanted, settings.workers))

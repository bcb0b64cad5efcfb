"""All models of a worker, loaded one after the other within its memory."""

from __future__ import annotations

from ....units import in_bytes
from ...engine.weights.shelf import Shelf
from ..worker import WorkerSettings
from .loaded import Parts, load_parts


def open_shelf(settings: WorkerSettings) -> Shelf | None:
    """Return where weights wait when others need the memory; None where that is not bounded, or one model has it."""
    return Shelf(settings.folder) if settings.memory is not None and len(settings.models) > 1 else None


def load_all(settings: WorkerSettings, shelf: Shelf | None, device: str) -> list[Parts]:
    """Load the models of a worker.

    Before each but the first there is room for one as large as the largest so far; one that is larger stands beside
    the memory's bound while it is loaded.

    Args:
        settings: of the worker.
        shelf: where weights wait that there is no room for.
        device: where to put the models.

    Raises:
        Error: of evocache, if a model, a front or a LoRA cannot be loaded.
    """
    found: list[Parts] = []
    for name, source in settings.models.items():
        if shelf is not None and settings.memory is not None and found:
            largest = max(shelf.bytes_of(parts.pipelines) for parts in found)
            shelf.make_room(in_bytes(settings.memory) - largest, ())
        own = settings.loras.get(name, {})
        fronts = {lora: front for lora in own if (front := settings.fronts.get(f"{name}:{lora}")) is not None}
        front = settings.fronts.get(name)
        parts = load_parts(name, source, front, device=device, dtype=settings.dtype, loras=own, lora_fronts=fronts)
        found.append(parts)
        if shelf is not None:
            shelf.add(parts.pipelines)
    return found

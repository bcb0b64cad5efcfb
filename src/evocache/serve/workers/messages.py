"""What a worker's process and its server tell one another, as messages, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from ... import errors
from ...errors import Error, GenerationError, shorten
from .card import LoraCard, ModelCard, PointCard
from .channel import Message
from .task import Picture, Task
from .updates import Cancelled, Failed, Made, Previewed, Progressed, Update
from .worker import LoraSource, WorkerSettings

UPDATES = {kind.__name__: kind for kind in (Progressed, Previewed, Made, Failed, Cancelled)}


def pack_task(task: Task) -> Message:
    """Return a message that asks for a task."""
    plain = {**vars(task), "arguments": dict(task.arguments), "pictures": _sizes(task.pictures)}
    plain["loras"] = dict(task.loras)
    return Message({"kind": "submit", "task": plain}, [picture.pixels for picture in task.pictures.values()])


def read_task(message: Message) -> Task:
    """Return the task of a message."""
    plain = dict(message.header["task"])
    sizes = plain.pop("pictures")
    pairs = zip(sizes.items(), message.blobs, strict=True)
    return Task(**plain, pictures={name: Picture(blob, *size) for (name, size), blob in pairs})


def pack_update(id: str, update: Update) -> Message:
    """Return a message that tells what became of a task."""
    plain = {field.name: getattr(update, field.name) for field in fields(update)}
    picture = plain.pop("picture", None)
    sizes = {} if picture is None else _sizes({"picture": picture})
    if "seconds" in plain:
        plain["seconds"] = dict(plain["seconds"])
    header = {"kind": "told", "id": id, "update": type(update).__name__, "of": plain, "pictures": sizes}
    return Message(header, [] if picture is None else [picture.pixels])


def read_update(message: Message) -> tuple[str, Update]:
    """Return the id of a task and what became of it."""
    header = message.header
    plain = dict(header["of"])
    if "notes" in plain:
        plain["notes"] = tuple(plain["notes"])
    for name, size in header["pictures"].items():
        plain[name] = Picture(message.blobs[0], *size)
    return header["id"], UPDATES[header["update"]](**plain)


def pack_start(worker: str, settings: WorkerSettings) -> Message:
    """Return a message that has a worker start.

    Args:
        worker: module and name of its class, with a colon between them.
        settings: what it holds.
    """
    loras = {model: {name: asdict(one) for name, one in own.items()} for model, own in settings.loras.items()}
    plain = {**vars(settings), "models": dict(settings.models), "fronts": dict(settings.fronts), "loras": loras}
    return Message({"kind": "start", "worker": worker, "settings": plain})


def read_start(message: Message) -> tuple[str, WorkerSettings]:
    """Return the class of the worker that is to start, and what it holds."""
    plain = dict(message.header["settings"])
    given = plain.pop("loras")
    loras = {model: {name: LoraSource(**one) for name, one in own.items()} for model, own in given.items()}
    return message.header["worker"], WorkerSettings(**plain, loras=loras)


def pack_cards(cards: Sequence[ModelCard]) -> Message:
    """Return a message that a worker has started."""
    plain = [{**asdict(replace(card, arguments=frozenset())), "arguments": sorted(card.arguments)} for card in cards]
    return Message({"kind": "started", "cards": plain})


def read_cards(message: Message) -> list[ModelCard]:
    """Return the cards of a worker that has started."""
    return [
        ModelCard(
            **{
                **plain,
                "arguments": frozenset(plain["arguments"]),
                "points": _points(plain),
                "loras": tuple(LoraCard(**{**lora, "points": _points(lora)}) for lora in plain["loras"]),
            }
        )
        for plain in message.header["cards"]
    ]


def _points(card: Mapping[str, Any]) -> tuple[PointCard, ...]:
    return tuple(PointCard(**point) for point in card["points"])


def pack_error(error: BaseException) -> Message:
    """Return a message that a worker could not start."""
    name, given = (type(error).__name__, list(error.__reduce__()[1])) if isinstance(error, Error) else ("", [])
    text = f"{type(error).__name__}: {shorten(error)}"
    return Message({"kind": "refused", "error": name, "given": given, "text": text})


def read_error(message: Message) -> Error:
    """Return the error that a worker could not start with; of another library, as one of evocache."""
    kind = getattr(errors, message.header["error"] or "-", None)
    if isinstance(kind, type) and issubclass(kind, Error):
        return kind(*message.header["given"])
    given = f"a worker that failed as it started ({message.header['text']})"
    return GenerationError(given, "one that starts", "see what it wrote before")


def _sizes(pictures: Mapping[str, Picture]) -> dict[str, list[int]]:
    return {name: [one.width, one.height, one.frames, one.channels] for name, one in pictures.items()}

"""What a worker is: it holds models, and makes what tasks ask for, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .card import ModelCard
from .task import Task
from .updates import Update

Tell = Callable[[str, Update], None]
"""Takes the id of a task and what became of it. It is called in a thread of the worker, and must return soon."""


@dataclass(frozen=True)
class LoraSource:
    """Where a LoRA is.

    Attributes:
        path: of a safetensors file, or of a folder with one.
        weight: that it has where a request says none.
    """

    path: str
    weight: float = 1.0


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is to hold, in values that any process can be told.

    Attributes:
        models: names of the zoo, folders of pipelines, or hub ids, by the names that requests call them.
        fronts: folders of runs or files of fronts, by the names of models, and by `MODEL:LORA` those that were evolved
            with a LoRA; without one, the front that ships with a model.
        memory: most bytes, weights included, such as `"10GB"`; None for no limit.
        device: `auto`, `cpu`, `cuda:0`...
        dtype: `auto`, `float32`, `bfloat16`, `float16`.
        open: most tasks that run at a time; 1 computes one after the other.
        threads: of torch on the CPU; as many as torch takes without.
        slot: which of the GPUs is taken, where the device is `auto` or `cuda`: of two GPUs, slot 2 takes the first.
        loras: that requests may name, by the names of models, and their own.
    """

    models: Mapping[str, str]
    fronts: Mapping[str, str]
    memory: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    open: int = 16
    threads: int | None = None
    slot: int = 0
    loras: Mapping[str, Mapping[str, LoraSource]] = field(default_factory=dict)


class Worker(Protocol):
    """Holds models on one device. Methods may be called from any thread; all but `start` and `close` return at once."""

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        """Load and warm up the models, and return what they are. Takes as long as that takes.

        Raises:
            Error: of evocache, if a model cannot be loaded.
        """

    def submit(self, task: Task) -> None:
        """Begin a task as soon as there is room; what becomes of it is told.

        Raises:
            GenerationError: if a task of its id is not over, or the worker does not run; nothing is told then.
        """

    def cancel(self, id: str) -> None:
        """End a task within a step; of one that is over or unknown nothing happens."""

    def preview(self, id: str) -> None:
        """Have a preview of a task told, if it is one that has them."""

    def figures(self) -> Mapping[str, Any]:
        """Return counts of what it has done."""

    def close(self) -> None:
        """End all tasks, each of which is told, and give all that it holds back."""

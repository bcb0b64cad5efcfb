"""What a worker is: it holds models, and makes what tasks ask for, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...units import in_bytes
from .card import ModelCard
from .task import Task
from .updates import Update

CONDITIONING = 64_000_000
"""Bytes of outputs of encoders that a worker holds at most: of zoo:emoji four thousand, of T5-XXL fifteen."""

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
        conditioning: most bytes of outputs of encoders that are held; None for 64 MB, or a 32nd of the memory where
            that is less.
        folder: on a disk of its machine, where weights wait that have no room; one for temporary files without.
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
    conditioning: str | None = None
    folder: str | None = None

    @property
    def conditioning_bytes(self) -> int:
        """Most bytes of outputs of encoders that are held."""
        if self.conditioning is not None:
            return in_bytes(self.conditioning)
        return CONDITIONING if self.memory is None else min(CONDITIONING, in_bytes(self.memory) // 32)


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

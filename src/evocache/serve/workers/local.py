"""A worker in this process: an engine over its models."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import GenerationError, InputError
from .card import ModelCard
from .task import Task
from .teller import Teller
from .updates import Cancelled, Failed, Made, Previewed, Progressed, Update
from .worker import Tell, WorkerSettings

if TYPE_CHECKING:
    from ..engine import Engine, Job, Shelf
    from .models.loaded import Loaded, Parts

ENDS, PREVIEWS = 2, 4
"""Most threads that make numbers of what pipelines returned, and that wait for previews."""


@dataclass
class _Begun:
    """A task that has a job.

    Attributes:
        task: the task.
        job: of the engine.
        told: the step, and the number of steps, that were told last.
        previewed: whether a preview is waited for.
    """

    task: Task
    job: Job
    told: tuple[int, int] | None = None
    previewed: bool = False


class LocalWorker:
    """Computes tasks in this process, as `Worker` says.

    Args:
        settings: what it holds.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._models: dict[str, Loaded] = {}
        self._begun: dict[str, _Begun] = {}
        self._change = threading.Lock()
        self._engine: Engine | None = None
        self._shelf: Shelf | None = None
        self._teller: Teller | None = None
        self._device = "cpu"

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        """Load the models, generate with each of them twice, and return what they are.

        Raises:
            InputError: if there is no model, a front or a LoRA for none, or no such device or type.
            ModelError: if a model or a LoRA cannot be loaded, or its pipeline refuses a plain call.
            BudgetError: if the weights take more than the memory.
            Error: of evocache, if a front cannot be read.
        """
        settings = self._settings
        _refuse_stray(settings)
        import torch

        from ...loading.dtypes import choose_device
        from ..engine import Engine
        from .models.load_all import load_all, open_shelf

        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        with ExitStack() as ends:
            if (shelf := open_shelf(settings)) is not None:
                ends.callback(shelf.discard)
            models = load_all(settings, shelf, choose_device(settings.device, settings.slot))
            pipelines = {name: pipe for parts in models for name, pipe in parts.pipelines.items()}
            self._device = str(next(iter(pipelines.values())).device)
            held = f"{settings.conditioning_bytes}B"
            engine = Engine(pipelines, memory=settings.memory, open=settings.open, shelf=shelf, conditioning=held)
            ends.callback(engine.close)
            self._models = {parts.name: _call_first(engine, parts) for parts in models}
            self._engine_ends = ends.pop_all()
        self._shelf = shelf
        self._ends = ThreadPoolExecutor(min(settings.open, ENDS), "evocache worker ends")
        self._previews = ThreadPoolExecutor(min(settings.open, PREVIEWS), "evocache worker previews")
        self._engine, self._teller = engine, Teller(tell, look=self._look)
        return [model.card for model in self._models.values()]

    def submit(self, task: Task) -> None:
        """Begin a task as soon as there is room; what becomes of it is told.

        Raises:
            GenerationError: if a task of its id is not over, or the worker does not run.
        """
        engine, teller = self._engine, self._teller
        if engine is None or teller is None:
            raise GenerationError("a task for a worker that does not run", "one that does", "start it")
        with self._change:  # who cancels it meanwhile waits until it can be
            teller.open(task.id)
            try:
                one = self._begun[task.id] = _Begun(task, self._begin(engine, task))
            except Exception as error:
                teller.post(task.id, _describe(error, 0))
                return
        one.job.when_over(lambda: self._over(one))

    def cancel(self, id: str) -> None:
        """End a task within a step; of one that is over or unknown nothing happens."""
        with self._change:
            one = self._begun.get(id)
        if one is not None:
            one.job.cancel()

    def preview(self, id: str) -> None:
        """Have a preview of a task told after its next step, if it has previews and is not over by then."""
        with self._change:
            one = self._begun.get(id)
            if one is None or one.previewed:
                return
            one.previewed = True
        with suppress(RuntimeError):  # it closes
            self._previews.submit(self._preview, one)

    def figures(self) -> Mapping[str, Any]:
        """Return what the engine has done, how many tasks are open, and the bytes that the process holds."""
        engine, teller = self._engine, self._teller
        if engine is None or teller is None:
            return {"open": 0, "bytes": 0}
        from .models.held_bytes import count_held_bytes

        counts = {**vars(engine.figures), "alone": dict(engine.figures.alone)}
        moved = {} if self._shelf is None else {"brought": self._shelf.brought, "put_aside": self._shelf.put}
        return {**counts, **moved, "open": len(teller), "bytes": count_held_bytes(self._device)}

    def close(self) -> None:
        """End all tasks, each of which is told, and let go of the models; wait for the turn at hand."""
        engine, teller = self._engine, self._teller
        self._engine = None
        if engine is None or teller is None:
            return
        self._engine_ends.close()
        self._ends.shutdown()
        self._previews.shutdown()
        teller.close(Cancelled())
        self._models = {}
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _begin(self, engine: Engine, task: Task) -> Job:
        model = self._models.get(task.model)
        if model is None:
            raise InputError(f"model {task.model!r}", f"one of {', '.join(self._models)}", "name one of them")
        pipeline, what, arguments, loras = model.make_call(task)
        own: dict[str, Any] = {"seed": task.seed, "user": task.user, "deadline": task.deadline, "loras": loras}
        own["owner"] = f"{len(task.user)}:{task.user}/{task.owner}"
        return engine.submit(model=pipeline, what=what, **own, **arguments)

    def _over(self, one: _Begun) -> None:
        """In the thread that ends a job: have an end made of it elsewhere."""
        try:
            self._ends.submit(self._end, one)
        except RuntimeError:  # it closes
            self._end(one)

    def _end(self, one: _Begun) -> None:
        progress = one.job.progress
        try:
            output = one.job.result()
            from .models.pictures import take_picture

            seconds = {"compute": progress.seconds, "wait": progress.waited}
            update: Update = Made(take_picture(output), seconds, tuple(one.job.notes))
        except BaseException as error:
            update = Cancelled() if one.job.state == "cancelled" else _describe(error, progress.step)
        with self._change:
            self._begun.pop(one.task.id, None)
        self._post(one, update)

    def _preview(self, one: _Begun) -> None:
        from .models.pictures import from_pil

        try:
            pictures = one.job.preview()
            film = self._models[one.task.model].card.kind == "video"
            self._post(one, Previewed(one.job.progress.step, from_pil(pictures if film else pictures[:1])))
        except Exception:  # it is over, or its pipeline has none
            return
        finally:
            one.previewed = False

    def _post(self, one: _Begun, update: Update) -> None:
        if self._teller is not None:
            self._teller.post(one.task.id, update)

    def _look(self) -> Iterator[tuple[str, Update]]:
        """Yield how far tasks are, where that is news."""
        with self._change:
            begun = list(self._begun.values())
        for one in begun:
            found = one.job.progress
            if found.state == "running" and (found.step, found.steps) != one.told:
                one.told = found.step, found.steps
                yield one.task.id, Progressed(*one.told)


def _refuse_stray(settings: WorkerSettings) -> None:
    """Refuse fronts and LoRAs of models that there are not."""
    loras = [f"{model}:{name}" for model, own in settings.loras.items() for name in own]
    known = {*settings.models, *loras}
    strays = [f"a front for {name}" for name in sorted(settings.fronts.keys() - known)]
    strays += [f"LoRAs for {name}" for name in sorted(settings.loras.keys() - settings.models.keys())]
    if strays or not settings.models:
        given = strays[0] if strays else "a worker without a model"
        raise InputError(given, f"models by name: {', '.join(sorted(known)) or 'zoo:emoji'}", "name the model")


def _call_first(engine: Engine, parts: Parts) -> Loaded:
    """Warm a model up, note what its call gives and takes, and leave out pipelines on its parts that fail."""
    from .models.arguments import find_defaults
    from .models.first_calls import time_generation, warm_up
    from .models.loaded import describe_model
    from .models.pictures import is_film

    def call(name: str, arguments: Mapping[str, Any]) -> Any:
        return engine.submit(model=name, seed=0, **arguments).result()

    own = next(iter(parts.pipelines))
    defaults = find_defaults(parts.pipelines[own])
    works = [name for name, pipe in parts.pipelines.items() if warm_up(pipe, defaults, partial(call, name))]
    output, seconds = time_generation(parts.name, parts.pipelines[own], partial(call, own))
    return describe_model(parts, {own, *works}, film=is_film(output), seconds=seconds)


def _describe(error: BaseException, step: int) -> Failed:
    from .models.failures import describe_failure

    return describe_failure(error, step)

"""The engine: many generations of unmodified pipelines, step by step, computed together where that is exact."""

from __future__ import annotations

import math
import secrets
import weakref
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from ...errors import GenerationError, PipelineError, short
from ...loading.loras import order_loras
from ...units import in_bytes
from .budget import Memory
from .conductor import Conductor
from .figures import Figures
from .job import Job, Request
from .loop import Loop
from .weights.shelf import Shelf


class Engine:
    """Runs generations of pipelines, many at a time; a context manager.

    Each request runs its pipeline's own call, unchanged, under a schedule of its own. Where calls would call a text
    encoder, a denoiser or an autoencoder they wait, and the engine computes those together that give alone what they
    give in company: that is tried once for each kind of calls. One call is computed at a time.

    Args:
        pipelines: by name. While the engine runs they are its own: their modules are shared by all requests.
        front: what a `speedup` or `quality` that is asked for is taken from, as `evocache.apply` takes it; for several
            pipelines a mapping from their names. The front that ships with a model, if it is not given.
        memory: most bytes that weights, features of all open requests and one batch may take, such as `"10GB"`.
        rows: most rows of a batch, guidance's included.
        open: most requests that have begun and are not over.
        shelf: where weights of pipelines that are idle wait when others need the memory; the engine's own until it is
            closed. Without one all weights are there together; with one nobody else may touch the pipelines until the
            shelf is closed, between requests neither.
        conditioning: most bytes of outputs of encoders, such as `"64MB"`, that are held and given to requests of the
            same `owner` that ask for the same; within the memory, but on a GPU. 0 holds none, and calls all encoders.

    Raises:
        GenerationError: if `rows` or `open` is no number of at least 1.
        PipelineError: if there is no pipeline, or one without a name, a front for one that there is not, or a pipeline
            whose components its user has offloaded.
        BudgetError: if the weights alone take more than the memory; with a shelf, those of one pipeline.
        AmountError: if the memory, or that for outputs of encoders, is no number of bytes.

    >>> with Engine({"tiny": pipe}) as engine:
    ...     jobs = [engine.submit(prompt, num_inference_steps=4) for prompt in ("a red fox", "a blue hen")]
    ...     pictures = [job.result().images[0] for job in jobs]
    >>> len(pictures), jobs[0].state
    (2, 'done')
    """

    def __init__(
        self,
        pipelines: Mapping[str, Any],
        *,
        front: Any = None,
        memory: int | float | str | None = None,
        rows: int = 32,
        open: int = 16,
        shelf: Shelf | None = None,
        conditioning: int | float | str = 0,
    ) -> None:
        if not isinstance(pipelines, Mapping) or not pipelines:
            raise PipelineError("an engine without a pipeline", "one or more, by name", 'Engine({"emoji": pipe})')
        for name, most_of in (("rows", rows), ("open", open)):
            if not isinstance(most_of, int) or most_of < 1:
                raise GenerationError(f"{name}={most_of!r}", "a whole number of at least 1", "give one, or none")
        self._names = list(pipelines)
        fronts = front if isinstance(front, Mapping) else dict.fromkeys(pipelines, front)
        for name in set(fronts) - set(pipelines):
            raise PipelineError(f"a front for {name!r}", f"one for {', '.join(self._names)}", "name the pipeline")
        most = None if memory is None else in_bytes(memory)
        own, kept = dict(pipelines), in_bytes(conditioning)
        self._loop = Loop(
            lambda wanted, told: Conductor(own, fronts, Memory(most, shelf, told, kept), rows, open, wanted)
        )
        weakref.finalize(self, self._loop.drop)  # who forgets to close it keeps no pipelines

    def submit(
        self,
        prompt: Any = None,
        *,
        model: str | None = None,
        what: Any = None,
        speedup: float | None = None,
        quality: float | None = None,
        seed: int | None = None,
        user: str = "",
        deadline: float | None = None,
        memory: Any = None,
        loras: Mapping[str, float] | Iterable[str] | None = None,
        owner: str | None = None,
        **arguments: Any,
    ) -> Job:
        """Ask for a generation.

        Args:
            prompt: given to the pipeline, if it is given here.
            model: name of the pipeline; the first, if it is not given.
            what: what is applied, as `evocache.apply` takes it; everything is computed, if nothing is asked for.
            speedup: least speed-up of a point of the front.
            quality: least quality of a point of the front.
            seed: of the random states of torch, numpy and `random` that its pipeline sees; drawn now, if not given. A
                pipeline that is given no generator draws from them.
            user: whose it is: users have even shares of the engine.
            deadline: seconds until it should have ended; it goes first when that is near.
            memory: most bytes that it may hold, weights of its pipeline included, or a memory plan, as `evocache.apply`
                takes it; components stay on their device. Without it, it is planned where the engine has a limit.
            loras: LoRAs that act in this request, and no others: weights by the names that they were loaded into the
                pipeline by. Names alone have weight 1. Without it, those that the pipeline's user has set.
            owner: whose what is held of encoders is: no request of another owner is given it; the user, if not given.
            arguments: further arguments of the pipeline's call.

        Raises:
            PipelineError: if there is no such pipeline.
            GenerationError: if the engine is closed; if the seed, the user, the owner or the deadline is none.
            InputError: if the LoRAs are no names with finite weights.
        """
        name = self._names[0] if model is None else model
        if name not in self._names:
            raise PipelineError(f"model {name!r}", f"one of {', '.join(self._names)}", "name one of them")
        owner = user if owner is None else owner
        _refuse_odd(seed, user, deadline, owner)
        given = arguments if prompt is None else {"prompt": prompt, **arguments}
        drawn = secrets.randbits(48) if seed is None else int(seed)
        acting = None if loras is None else order_loras(loras)
        request = Request(name, given, what, speedup, quality, drawn, user, deadline, memory, acting, owner)
        job = Job(request, cancel=self._loop.cancel)
        self._loop.submit(job)
        return job

    @property
    def figures(self) -> Figures:
        """What it has done so far."""
        return self._loop.conductor.figures

    def forget(self) -> None:
        """Forget what is held of encoders.

        After weights were written by way of `weight.data`, which torch does not count, or a class was patched: other
        changes of modules and weights between requests are seen.
        """
        self._loop.conductor.kept.forget()

    def close(self) -> None:
        """Cancel what is queued or runs, and end all threads; the pipelines are what they were.

        Within one of its jobs, as in a callback, it returns at once: the job itself ends at its next call.
        """
        self._loop.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refuse_odd(seed: Any, user: Any, deadline: Any, owner: Any) -> None:
    """Refuse at the door what the engine's own thread would fail at, and all jobs with it."""
    if seed is not None and not (_is_a(Integral, seed) and -(1 << 63) <= seed < 1 << 64):
        raise GenerationError(f"seed {short(seed)}", "a whole number of at most 64 bits", "give one, or none")
    for what, name in (("user", user), ("owner", owner)):
        if not isinstance(name, str):
            raise GenerationError(f"{what} {short(name)}", "a text", f"name the {what}")
    if deadline is not None and not (_is_a(Real, deadline) and not math.isnan(deadline)):
        raise GenerationError(f"deadline {short(deadline)}", "seconds", "give a number, or none")


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)

"""What is kept of a job for its previews: forms of what its components returned, and its latest steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from PIL.Image import Image

from ....memory.rehearsal.rehearsal import signature
from ....model.outputs import list_tensors
from ....model.pipeline_components import find_called_denoiser, is_autoencoder, list_components
from ....runtime.attach.call_scope import Op
from ....runtime.attach.scheduler_listener import STEPPING
from ....runtime.estimate.stand_in_tensors import Shape, remade, zeros
from ....runtime.generation import Generation
from ....runtime.joint.lane import Lane, Meet, meeting
from ....runtime.lru import LRU
from ....runtime.ops.stored_output import shapes_of

ENCODED = 64
"""Of how many calls of encoders the forms are kept."""

FORMS = 16
"""Of how many kinds of denoiser calls the forms are kept."""


class Step(NamedTuple):
    """A step that a scheduler made.

    Attributes:
        when: the pass over all timesteps, and the denoising step in it.
        scheduler: that made it.
        args: what it was given by position.
        kwargs: what it was given by name.
        result: what it returned.
        place: of its timestep, where the scheduler counts them.
    """

    when: tuple[int, int]
    scheduler: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    place: int | None


class Form(NamedTuple):
    """What a component returned, without the numbers.

    Attributes:
        output: with shapes for tensors.
        device: where these were.
    """

    output: Any
    device: torch.device

    @classmethod
    def of(cls, output: Any) -> Form:
        """Return the form of an output."""
        tensors = list_tensors(output)
        return cls(remade(output, Shape.of), tensors[0].device if tensors else torch.device("cpu"))

    def blank(self) -> Any:
        """Return an output of this form, all zero."""
        return zeros(self.output, self.device)


class Trace:
    """What is kept of one job for its previews.

    From its beginning, these are the forms of what encoders returned, and what autoencoders made of pictures that it
    was given. From the first time that a preview is asked for, its latest steps are kept as well: what the
    scheduler was given, and what it returned.

    Attributes:
        denoisers: ids of the job's denoisers, from when its steps are kept.
        known: the preview that was made last, and of when it is.
        whole: whether the job's pipeline does not do with few latents.
    """

    def __init__(self) -> None:
        self.denoisers: Collection[int] = ()
        self.known: tuple[tuple[int, int], Sequence[Image]] | None = None
        self.whole = False
        self._generation: Generation | None = None
        self._encoded: LRU[object, Any] = LRU(ENCODED)
        self._forms: LRU[object, Form] = LRU(FORMS)
        self._latest: dict[int, Form] = {}
        self._steps: dict[tuple[int, int], list[Step]] = {}

    def listen(self) -> None:
        """Hear what is handed over in this thread, until the job denoises."""
        meet = meeting.get()
        if meet is not None:
            meeting.set(partial(self._met, meet))

    def _met(self, meet: Meet, lane: Lane) -> Any:
        if lane.stage == "denoise":
            meeting.set(meet)
        output = meet(lane)
        if lane.stage == "encode":
            self.note_encoded(lane.module, lane.args, lane.kwargs, output)
        return output

    def note_encoded(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Keep what an encoder returned, in so far as a preview needs it."""
        key = id(module), signature(args, kwargs)
        if key not in self._encoded:
            self._encoded[key] = output if is_autoencoder(module) else Form.of(output)

    def encoded(self, module: Any, args: Any, kwargs: Any) -> Any:
        """Return what stands for an encoder's output.

        Raises:
            LookupError: if it was not called so.
        """
        known = self._encoded.get((id(module), signature(args, kwargs)))
        if known is None:
            raise LookupError("not called so")
        return known.blank() if isinstance(known, Form) else known

    def follow(self, generation: Generation, pipe: Any) -> None:
        """Keep the steps of a generation of a pipeline from now on; it waits meanwhile."""
        if self._generation is generation:
            return
        self._generation = generation
        found, parts = generation.compiled.model.denoisers, list_components(pipe)
        self.denoisers = {id(find_called_denoiser(parts, each.name, each.module)) for each in found}
        table = generation.scope.table
        for key, op in list(table.items()):
            if isinstance(key, tuple) and key[1] in STEPPING:
                table[key] = self._stepping(op)
            elif key in self.denoisers:
                table[key] = self._denoising(op)

    def _stepping(self, op: Op) -> Op:
        def operation(original: Callable[..., Any], scheduler: Any, args: Any, kwargs: Any) -> Any:
            result = op(original, scheduler, args, kwargs)
            now = self._now()
            index = getattr(scheduler, "step_index", None)
            step = Step(now, scheduler, args, kwargs, result, index - 1 if isinstance(index, int) else None)
            self._steps.setdefault(now, []).append(step)
            for old in sorted(self._steps)[:-2]:
                del self._steps[old]
            return result

        return operation

    def _denoising(self, op: Op) -> Op:
        def operation(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
            output = op(original, module, args, kwargs)
            key = id(module), shapes_of(args, kwargs)
            form = self._forms.get(key) or Form.of(output)
            self._forms[key] = self._latest[id(module)] = form
            return output

        return operation

    def denoised(self, module: Any, args: Any, kwargs: Any) -> Any:
        """Return zeros in the form of what a denoiser returns; where it was not called so, as another call's.

        Raises:
            LookupError: if none was called.
        """
        known = self._forms.get((id(module), shapes_of(args, kwargs))) or self._latest.get(id(module))
        if known is None:
            if not self._latest:
                raise LookupError("no denoiser was called")
            known = next(iter(self._latest.values()))
        return known.blank()

    def _now(self) -> tuple[int, int]:
        assert self._generation is not None
        return self._generation.clock.passes, self._generation.clock.step

    def latest(self, stage: str) -> list[Step]:
        """Return what was stepped in the latest denoising step that is over; nothing if none is that was kept.

        Args:
            stage: that the job waits in.
        """
        when = self.moment(stage)
        return self._steps[when] if when is not None else []

    def moment(self, stage: str) -> tuple[int, int] | None:
        """Return the pass and the number of that step.

        None before a denoiser has returned: the call that a job waits with when it is first followed is not seen.
        """
        if self._generation is None or not self._latest:
            return None
        now = self._now()
        done = [when for when in self._steps if when[0] == now[0] and (stage == "decode" or when < now)]
        return max(done, default=None)

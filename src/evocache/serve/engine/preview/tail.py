"""The tail of a pipeline's call: nothing is computed before its latents are there, which are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from ....errors import GenerationError
from ....model.pipeline_components import is_autoencoder, list_components, list_modules
from ....runtime.attach.call_scope import Scope
from ....runtime.attach.interception import attach, detach, intercept_entry
from ....runtime.attach.method_shadows import Shadowing
from ....runtime.attach.scheduler_listener import STEPPING, autoencoder_shadowing, is_scheduler
from ....runtime.clock import Clock
from ....runtime.estimate.restored_attributes import restore_attributes
from ..isolation.own_pipeline import own_pipeline
from .clean_latents import clean_latents
from .small_decode import with_few_latents
from .trace import Step, Trace

NOISING = ("add_noise", "scale_noise")
"""Methods by which schedulers put noise on what is known of a picture; the sample is their first argument."""

_shadowing = Shadowing("set_timesteps", *STEPPING, *NOISING, followed=True)


class Tail:
    """A pipeline's own call on the latents of a job, with nothing computed but a small decoding.

    Encoders and denoisers return zeros in the form of what they returned for the job; schedulers return the latents of
    the job's latest step, without noise. Then the loop is left, where the pipeline can be interrupted, and otherwise
    run through.

    Args:
        pipe: the pipeline.
        trace: what was kept of the job.
        steps: what was stepped in the job's latest denoising step.

    Attributes:
        shrunk: whether fewer latents were decoded than there are.
    """

    def __init__(self, pipe: Any, trace: Trace, steps: Sequence[Step]) -> None:
        self._pipe = own_pipeline(pipe)
        self._trace = trace
        self._steps = steps
        self._pass = steps[0].when[0]
        self._clock = Clock()
        self._at = 0
        self._latents: list[torch.Tensor] = []
        self._decoded = self.shrunk = False

    def run(self, arguments: Mapping[str, Any], *, guarded: bool) -> Any:
        """Return what a call with these arguments returns, in this thread.

        Args:
            arguments: of the job's call.
            guarded: whether the job has changed modules that this call shares with it; they stay as they are.

        Raises:
            GenerationError: if the latents are of a stage before the one that is decoded, or of another shape.
            Exception: whatever the pipeline raises.
        """
        given = own_arguments(arguments)
        with _unchanged(self._pipe, guarded), ExitStack() as stack:
            scope = Scope()
            for part in list_components(self._pipe).values():
                if is_scheduler(part):
                    self._attach(stack, part, _shadowing)
                    scope.table[id(part), "set_timesteps"] = self._set_timesteps
                    scope.table.update({(id(part), name): self._step for name in STEPPING})
                    scope.table.update({(id(part), name): _no_noise for name in NOISING})
                elif is_autoencoder(part):
                    self._attach(stack, part, autoencoder_shadowing)
                    scope.table[id(part), "encode"] = self._encode
                    scope.table[id(part), "decode"] = self._decode
                elif isinstance(part, nn.Module):
                    self._attach(stack, part, intercept_entry)
                    scope.table[id(part)] = self._denoise if id(part) in self._trace.denoisers else self._encode
            stack.callback(scope.leave)
            scope.enter()
            return self._pipe(**given)

    @staticmethod
    def _attach(stack: ExitStack, thing: Any, way: Any) -> None:
        attach(thing, way)
        stack.callback(detach, thing)

    def _set_timesteps(self, original: Any, scheduler: Any, args: Any, kwargs: Any) -> Any:
        result = original(scheduler, *args, **kwargs)
        self._clock.timesteps_set(scheduler)
        return result

    def _encode(self, original: Any, module: Any, args: Any, kwargs: Any) -> Any:
        """An encoder before anything is decoded; what looks at pictures afterwards is let do so."""
        if self._decoded:
            return original(module, *args, **kwargs)
        try:
            return self._trace.encoded(module, args, kwargs)
        except LookupError:
            output = original(module, *args, **kwargs)
            self._trace.note_encoded(module, args, kwargs, output)
            return output

    def _denoise(self, original: Any, module: Any, args: Any, kwargs: Any) -> Any:
        self._clock.called("")
        if self._clock.passes > self._pass:
            raise GenerationError(
                "latents of a stage before the one that is decoded", "a job in its last stage", "ask again later"
            )
        return self._trace.denoised(module, args, kwargs)

    def _decode(self, original: Any, autoencoder: Any, args: Any, kwargs: Any) -> Any:
        self._decoded = True
        if not self._trace.whole:
            args, kwargs, shrunk = with_few_latents(args, kwargs)
            self.shrunk = self.shrunk or shrunk
        return original(autoencoder, *args, **kwargs)

    def _step(self, original: Any, scheduler: Any, args: Any, kwargs: Any) -> Any:
        """What a scheduler returns: the job's latents. What earlier passes made is in these."""
        self._clock.stepped(scheduler)
        sample = args[2] if len(args) > 2 else kwargs.get("sample")
        if self._clock.passes < self._pass:
            return original(scheduler, *args, **kwargs)
        at = self._at % len(self._steps)
        if self._at < len(self._steps):
            self._latents.append(clean_latents(self._steps[at]))
        latents = self._latents[at]
        if isinstance(sample, torch.Tensor) and sample.shape != latents.shape:
            raise GenerationError(
                f"latents of {tuple(latents.shape)} in the place of {tuple(sample.shape)}",
                "a pipeline whose call repeats itself",
                "wait for the result",
            )
        self._at += 1
        if self._at == len(self._steps):
            for pipe in (self._pipe, *vars(self._pipe).values()):
                if hasattr(pipe, "_interrupt"):
                    pipe._interrupt = True
        return _replaced(self._steps[at].result, latents)


def _no_noise(original: Any, scheduler: Any, args: Any, kwargs: Any) -> Any:
    """What is known of a picture, without noise, as the latents of a preview are."""
    return args[0] if args else next(value for name, value in kwargs.items() if name in ("original_samples", "sample"))


def _replaced(result: Any, latents: Any) -> Any:
    """What a step returned, with the same latents for all tensors of their shape."""

    def replaced(leaf: Any) -> Any:
        return latents if isinstance(leaf, torch.Tensor) and leaf.shape == latents.shape else leaf

    return pytree.tree_map(replaced, result)


def own_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a call that may be used again: what a call may change is copied, callbacks are left out."""

    def own(leaf: Any) -> Any:
        if isinstance(leaf, torch.Generator):
            return leaf.clone_state()
        return leaf.clone() if isinstance(leaf, torch.Tensor) else leaf

    named = {name: value for name, value in arguments.items() if not name.startswith("callback")}
    if named.get("output_type") == "latent":
        named["output_type"] = "pil"
    return {name: pytree.tree_map(own, value) for name, value in named.items()}


@contextmanager
def _unchanged(pipe: Any, guarded: bool) -> Iterator[None]:
    """After the context, autoencoders have the types that they had; if guarded, modules the attributes."""
    parts = list_modules(pipe).values()
    types: list[tuple[Any, Any]] = [(part, part.dtype) for part in parts if is_autoencoder(part)]
    with restore_attributes([module for part in parts for module in part.modules()] if guarded else []):
        try:
            yield
        finally:
            for part, dtype in types:
                if part.dtype != dtype:
                    part.to(dtype)

"""The dry run: a pipeline's call in which no component computes, to see who calls whom with what, and what is held.

The pipeline's own code runs from its first line to the decoded pictures. Each component is rehearsed on the meta
device and gives zeros of the right shape, so that it costs next to nothing, whatever the size of the model; decoded
pictures stay on the meta device, and the run ends where the pipeline looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_iter

from ...errors import PipelineError
from ...memory.cudnn_workspace import Workspace
from ...memory.ledger import Extent, Ledger
from ...memory.offload.packed_weights import weights_of
from ...memory.offload.stage_offload import offload_lock
from ...memory.rehearsal.fake_operations import Fakes
from ...memory.rehearsal.rehearsal import outline, rehearse, shadow, signature
from ...model import Model
from ...model.discover import unwrap
from ...model.outputs import list_tensors
from ...model.pipeline_components import find_called_denoiser, is_autoencoder, list_components, list_modules
from ..attach.call_scope import Scope, outside
from ..attach.interception import Way, attach, attaching, detach, intercept_entry
from ..attach.scheduler_listener import CODING, autoencoder_call_shadowing, is_scheduler, listen, scheduler_shadowing
from ..attach.subclasses import OURS, Subclasses, plain
from ..call_key import state_of
from ..clock import Clock
from ..lru import LRU
from .acts import STAGES, Act, DryRun
from .quiet_logs import quiet_logs
from .restored_attributes import restore_attributes, restore_random_numbers
from .stand_in_tensors import Shape, remade, zeros


def dry_run(
    pipe: Any,
    model: Model,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    cls: type | None = None,
    workspace: Workspace | None = None,
    film: bool = False,
) -> DryRun:
    """Follow a call of a pipeline without computing it.

    The pipeline, its schedulers and all random generators are as before.

    Args:
        pipe: the pipeline; its weights may be on the meta device.
        model: its denoisers.
        args: positional arguments of the call.
        kwargs: keyword arguments; callbacks are left out.
        cls: the class whose `__call__` is meant; the pipeline's own when not given.
        workspace: what operations hold while they run, where that is to be counted.
        film: whether frames are shown as they are decoded, so that the pipeline is not given them.

    Raises:
        PipelineError: if the pipeline refuses the call, or no denoiser is called.
    """
    run = _Run(pipe, model, workspace, film)
    kwargs = {name: value for name, value in kwargs.items() if not name.startswith("callback")}
    try:
        with quiet_logs(), _restore(pipe, (args, kwargs)) as called, run, torch.no_grad():
            call: Any = (cls or plain(pipe)).__call__
            call(called, *args, **kwargs)
    except Exception as error:
        if not run.seen.acts["denoise"]:
            raise PipelineError(
                f"a call that fails with {type(error).__name__}: {error}",
                "a call that the pipeline accepts",
                "change the argument that it names, or call the pipeline without a plan to see where it is raised",
            ) from error
    if not run.seen.acts["denoise"]:
        raise PipelineError("a call in which no denoiser is called", "a call that denoises", "use more steps")
    return run.seen


class _Run:
    """Stands in for all components of a pipeline; a context manager."""

    def __init__(self, pipe: Any, model: Model, workspace: Workspace | None = None, film: bool = False) -> None:
        self.seen = DryRun(workspace=workspace, film=film)
        self.clock = Clock()
        self._pipe = pipe
        self._own = _Own()
        self._ledger = Ledger(call=self._own)
        self._extent: Extent | None = None
        self._shadows: dict[object, nn.Module] = {}
        parts = list_components(pipe)
        self._denoisers = {id(find_called_denoiser(parts, d.name, d.module)): d.name for d in model.denoisers}
        self._scope = Scope()
        self._exit = ExitStack()

    def __enter__(self) -> _Run:
        with ExitStack() as stack:
            for name, thing in list_components(self._pipe).items():
                if is_scheduler(thing):
                    self._attach(stack, thing, scheduler_shadowing)
                    listen(self._scope, thing, self)
                elif is_autoencoder(thing):
                    self._attach(stack, thing, autoencoder_call_shadowing)
                    self._scope.table[id(thing), "forward"] = self._stand_in(name, "__call__")
                    for method in CODING:
                        self._scope.table[id(thing), method] = self._stand_in(name, method)
                elif isinstance(thing, nn.Module):
                    self._attach(stack, thing, intercept_entry)
                    self._scope.table[id(thing)] = self._stand_in(name, "__call__")
            self._scope.owner = self
            self._scope.enter()
            stack.callback(self._scope.leave)
            stack.enter_context(self._ledger)
            stack.enter_context(
                self._ledger.owing(t for module in list_modules(self._pipe).values() for t in weights_of(module))
            )
            self._turn("encode")
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._turn("decode")
        self._exit.close()
        self.seen.steps = self.clock.total

    @staticmethod
    def _attach(stack: ExitStack, thing: Any, way: Way) -> None:
        attach(thing, way)
        stack.callback(detach, thing)

    def timesteps_set(self, scheduler: Any) -> None:
        """A scheduler was given its timesteps."""
        self.clock.timesteps_set(scheduler)

    def timestep_seen(self, timestep: Any) -> None:
        """The scheduler was told the timestep of the coming call."""
        self.clock.timestep_seen(timestep)

    def stepped(self, scheduler: Any, sample: Any = None) -> None:
        """A scheduler made a step."""
        self.clock.stepped(scheduler)

    def _turn(self, stage: str) -> None:
        """A stretch in which no component runs ends, and another begins, of this stage or the next."""
        if self._extent is not None:
            self._ledger.end(self._extent)
            self.seen.floors[self._own.stage] = max(self.seen.floors[self._own.stage], self._extent.peak)
        self._own.stage = stage
        self._extent = self._ledger.begin()

    def _stand_in(self, name: str, method: str) -> Callable[..., Any]:
        """What is called in the place of a component."""

        def operation(original: Callable[..., Any], thing: Any, args: Any, kwargs: Any) -> Any:
            if id(thing) in self._denoisers:
                stage = "denoise"
            elif method == "decode" and self._own.stage == "denoise":
                stage = "decode"
            else:
                stage = self._own.stage
            self._turn(stage)
            own = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in list_tensors((args, kwargs))}
            held = max(self._ledger.bytes - sum(own.values()), 0)
            extent, output = self._rehearse(thing, method, args, kwargs)
            tick = None
            if id(thing) in self._denoisers:
                tick = self.clock.called(name, kwargs.get("timestep", args[1] if len(args) > 1 else None))
            act = Act(name, method, shadow(tuple(args)), shadow(dict(kwargs)), held, extent, tick)
            self.seen.acts[stage].append(act)
            if self.seen.film and method == "decode":
                return remade(output, lambda shape: outline(shape.size, shape.dtype), Shape)
            return zeros(output, torch.device("meta") if stage == "decode" else _device(args, kwargs))

        return operation

    def _rehearse(self, thing: nn.Module, method: str, args: Any, kwargs: Any) -> tuple[Extent, Any]:
        """What a call holds, and the shapes of what it returns; the same call of a module is rehearsed once."""
        module = unwrap(thing)
        which = state_of(module)  # weights may be converted between calls: SVD encodes in float32
        known = _rehearsals.setdefault(module, LRU(REHEARSALS))
        key = which, method, signature(args, kwargs), self.seen.workspace

        def rehearse_once() -> tuple[Extent, Any]:
            with _disable_current_modes():
                if (id(thing), which) not in self._shadows:
                    with attaching, offload_lock:  # nobody hangs anything on it while it is copied
                        self._shadows[id(thing), which] = shadow(module)
                double = self._shadows[id(thing), which]
                call = double if method == "__call__" else getattr(double, method)
                seen = rehearse(double, args, kwargs, call=outside(call), fakes=Fakes(self.seen.workspace))
                return seen.whole, remade(seen.output, Shape.of)

        return known.get_or_make(key, rehearse_once)


class _Own:
    """Does the operations of the pipeline's own.

    What has no values is given some where the pipeline takes it to a device that keeps them, as it does with what it
    had put beside weights that are not there: ones, since masks of ones leave nothing out. Not so what was decoded.

    Attributes:
        stage: the stage that the run is in.
    """

    def __init__(self) -> None:
        self.stage = STAGES[0]

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        away = operation is torch.ops.aten._to_copy.default and args[0].is_meta and self.stage != "decode"
        device = torch.device(kwargs.get("device") or "meta")
        if away and device.type != "meta":
            return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype, device=device)
        return operation(*args, **kwargs)


@contextmanager
def _restore(pipe: Any, given: Any) -> Iterator[Any]:
    """Give what is to be called; after the context, all is as it was before but for what others did meanwhile.

    A call changes the pipeline, components (such as processors of attention that the pipeline would put back at its
    end) and random generators. The pipeline's own code may do anything within, wait for threads of its own included: no
    lock is held.
    """
    generators = [(g, g.get_state()) for g in tree_iter(given) if isinstance(g, torch.Generator)]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with restore_attributes(_changeable(pipe)), restore_random_numbers(devices):
        weightless = any(weight.is_meta for module in list_modules(pipe).values() for weight in module.parameters())
        called = prepare_on_cpu(pipe) if weightless else pipe
        try:
            called.set_progress_bar_config(disable=True)
            yield called
        finally:
            for generator, state in generators:
                generator.set_state(state)


def _changeable(pipe: Any) -> Iterator[Any]:
    """What a call may change: the pipeline, its schedulers, and all modules."""
    yield pipe
    yield from filter(is_scheduler, list_components(pipe).values())
    for module in list_modules(pipe).values():
        yield from module.modules()


def prepare_on_cpu(pipe: Any) -> Any:
    """Return a copy of a pipeline, with the same components, that prepares its inputs on the CPU, wherever they are."""
    copied: Any = object.__new__(_hosted_on_cpu(plain(pipe)))
    copied.__dict__.update({name: value for name, value in vars(pipe).items() if not name.startswith(OURS)})
    return copied


_HOST = property(lambda _: torch.device("cpu"))
_hosted_on_cpu = Subclasses(lambda cls: {"device": _HOST, "_execution_device": _HOST})


REHEARSALS = 32
"""How many calls of a module are known."""

_rehearsals: WeakKeyDictionary[nn.Module, LRU[object, tuple[Extent, Any]]] = WeakKeyDictionary()


def _device(args: Any, kwargs: Any) -> torch.device:
    """Where a component's output is: where its inputs are; but pipelines of no weights prepare theirs on the CPU."""
    return next((t.device for t in list_tensors((args, kwargs)) if not t.is_meta), torch.device("cpu"))

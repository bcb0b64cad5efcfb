"""Hearing schedulers: what a generation is told when a pipeline steps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .call_scope import Op, Scope
from .method_shadows import Shadowing

STEPPING = ("step", "step_pred")
"""Methods by which schedulers make a step: those that predict and correct make it where they predict."""

CODING = ("encode", "decode")
"""Methods by which autoencoders are called."""

scheduler_shadowing = Shadowing("set_timesteps", "scale_model_input", *STEPPING, followed=True)
"""Attaches to a scheduler, and to deep copies of it: some pipelines step one for each frame, or for sound."""

autoencoder_shadowing = Shadowing(*CODING, followed=False)
"""Attaches to an autoencoder."""

autoencoder_call_shadowing = Shadowing(*CODING, "forward", followed=False)
"""Attaches to an autoencoder, its calls included."""


class Listener(Protocol):
    """What is told of a scheduler."""

    def timesteps_set(self, scheduler: Any) -> None:
        """Note that a scheduler was given its timesteps."""

    def timestep_seen(self, timestep: Any) -> None:
        """Note the timestep of the coming call, of which a scheduler was told."""

    def stepped(self, scheduler: Any, sample: Any) -> None:
        """Note that a scheduler made a step from a sample."""


def listen(scope: Scope, scheduler: Any, listener: Listener) -> None:
    """Have a listener told, in a scope, what is done to a scheduler that was attached to, and to deep copies of it."""

    def tell(event: Callable[[Any], None]) -> Op:
        def operation(original: Callable[..., Any], thing: Any, args: Any, kwargs: Any) -> Any:
            result = original(thing, *args, **kwargs)
            event(thing)
            return result

        return operation

    def seen(original: Callable[..., Any], thing: Any, args: Any, kwargs: Any) -> Any:
        listener.timestep_seen(args[1] if len(args) > 1 else kwargs.get("timestep"))
        return original(thing, *args, **kwargs)

    def stepped(original: Callable[..., Any], thing: Any, args: Any, kwargs: Any) -> Any:
        result = original(thing, *args, **kwargs)
        listener.stepped(thing, args[2] if len(args) > 2 else kwargs.get("sample"))
        return result

    scope.table[id(scheduler), "set_timesteps"] = tell(listener.timesteps_set)
    scope.table[id(scheduler), "scale_model_input"] = seen
    for name in STEPPING:
        scope.table[id(scheduler), name] = stepped


def is_scheduler(thing: Any) -> bool:
    """Return whether a component of a pipeline is a scheduler."""
    steps = any(callable(getattr(thing, name, None)) for name in STEPPING)
    return steps and callable(getattr(thing, "set_timesteps", None))

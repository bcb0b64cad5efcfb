"""Components that are on the device only in the stages that call them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from torch import nn

from ...model.pipeline_components import list_modules
from .packed_weights import Packed, find_shared_storages, packable, weights_of

offload_lock = threading.RLock()
"""Held while weights move, while it is decided who may move them, and while hooks that move them come and go.

Never held while code of a pipeline or a component runs: that may wait for threads that call components. Who also needs
`runtime.attach.interception.attaching` takes that first.
"""


@dataclass(eq=False)
class ComponentUse:
    """One open call's use of a pipeline's components.

    Attributes:
        modules: the components.
        stages: names of the stages of the component that it called last: what they need must not leave.
    """

    modules: Collection[nn.Module]
    stages: frozenset[str] = frozenset()


class Offload:
    """Keeps components in host memory, and on the device in the stages in which they are called.

    A call of a component, or of a method that diffusers hooks (`encode`, `decode`), brings it to the device, after what
    no stage of its own needs has left. Unlike diffusers' offloading nothing is copied back, weights come from pinned
    memory, and what is not in the way may stay.

    Where several calls are open at once, which may be in different stages, nothing leaves that another one's stage
    needs: it may be in the middle of it, in another thread.

    It is held by the components, and holds none of them: those of a pipeline that is dropped go, although others, which
    several pipelines share, stay.

    Args:
        components: those that leave the device.
        stages: names of the stages that each is called in; none for what is never called.
        device: where they compute.
        callers: the uses of the open calls that the calling stack is part of, the innermost first.

    Attributes:
        uses: those of the calls that are open under it.
        keepers: what it is kept for between calls.
    """

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        stages: Mapping[str, Sequence[str]],
        device: torch.device,
        callers: Callable[[], Sequence[ComponentUse]] = tuple,
    ) -> None:
        self.stages = {name: tuple(stages[name]) for name in components}
        self.device = device
        self.uses: list[ComponentUse] = []
        self.keepers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._callers = callers
        self._modules = weakref.WeakValueDictionary(components)
        self._own: set[str] = set()
        self._packed: weakref.WeakKeyDictionary[nn.Module, Packed] = weakref.WeakKeyDictionary()
        self.resume()

    def resume(self) -> None:
        """Move the components to host memory, and have their calls bring them back; the inverse of `suspend`.

        Nothing happens to those of which that was done, and to none if it fails.
        """
        with offload_lock:
            missing = {name: module for name, module in self._modules.items() if module not in self._packed}
            made: list[Packed] = []
            try:
                for module in missing.values():
                    made.append(Packed(module, self.device))
            except BaseException:  # as where no pinned memory is left
                for packed in made:
                    packed.unpack()
                raise
            for (name, module), packed in zip(missing.items(), made, strict=True):
                if "forward" in module.__dict__:
                    self._own.add(name)
                self._packed[module] = packed
                add_hook_to_module(module, Summons(self, name))

    def call(self, name: str) -> None:
        """Have a component on the device, and nothing that only other stages need."""
        callers = self._callers()
        with offload_lock:
            packed = {found: weights for found, _, weights in self._items()}
            if name not in packed:  # a deep copy of the component is called, and this has ended
                return
            if callers:
                self.enter(callers[0], name)
            mine = self.stages[name]
            needed = set(mine).union(*(use.stages for use in self.uses if use not in callers))
            for other, weights in packed.items():
                if mine and other != name and needed.isdisjoint(self.stages[other]):
                    weights.leave()
            packed[name].come()

    def enter(self, use: ComponentUse, name: str) -> None:
        """Enter the stages of a component that an open call is about to call, if it has some."""
        use.stages = frozenset(self.stages.get(name, ())) or use.stages

    def keeps(self, components: Mapping[str, nn.Module], stages: Mapping[str, Sequence[str]]) -> bool:
        """Return whether it keeps these components away, and none else, in all but these stages; not once it ended."""
        same = self.stages == {name: tuple(found) for name, found in stages.items()}
        held = dict(self._modules)
        return same and all(held.get(name) in self._packed and held[name] is components.get(name) for name in stages)

    def size(self, name: str) -> int:
        """Return bytes of a component's weights."""
        return self._packed[self._modules[name]].size

    @property
    def there(self) -> tuple[str, ...]:
        """Components that are on the device now."""
        return tuple(name for name, _, packed in self._items() if packed.there)

    def rest(self) -> None:
        """Have all of them leave."""
        with offload_lock:
            for _, _, packed in self._items():
                packed.leave()

    def suspend(self) -> None:
        """Put them back on the device and leave them alone until `resume`; nothing happens if that was done.

        If one cannot be there, as where the device has too little memory, all are away as before.
        """
        with offload_lock:
            try:
                for name, module, packed in self._items():
                    packed.unpack()
                    self._unhook(name, module)
            except BaseException:
                self.resume()
                raise

    def _unhook(self, name: str, module: nn.Module) -> None:
        """Give a component whose weights were unpacked its `forward` back."""
        del self._packed[module]
        remove_hook_from_module(module)
        if name not in self._own:
            module.__dict__.pop("forward", None)
        self._own.discard(name)

    def remove(self) -> None:
        """Put them back on the device, where they stay, and keep them for nobody; nothing happens if that was done."""
        with offload_lock:
            self.suspend()
            self._modules.clear()
            self.keepers.clear()

    def _items(self) -> list[tuple[str, nn.Module, Packed]]:
        """The components that are kept away now, with their names and weights."""
        modules = list(self._modules.items())
        return [(name, module, self._packed[module]) for name, module in modules if module in self._packed]


class Summons(ModelHook):  # type: ignore[misc]
    """Brings a component to the device when it is called. Copies of a module share it, and copy nothing it holds."""

    def __init__(self, offload: Offload, name: str) -> None:
        self.offload = offload
        self.name = name
        self.execution_device = offload.device
        _summons.add(self)

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Called by accelerate before `forward`, and by diffusers before the methods that it hooks."""
        self.offload.call(self.name)
        return args, kwargs

    def __deepcopy__(self, memo: Any) -> Summons:
        return self


_summons: weakref.WeakSet[Summons] = weakref.WeakSet()
"""All that are on a component, as long as they are: copies of a module share it."""


def is_any_away() -> bool:
    """Return whether any component of the process is kept away; else nothing has to be looked for."""
    return len(_summons) > 0


def find_offloadable(pipe: Any) -> dict[str, nn.Module]:
    """Components of a pipeline that can leave its device.

    Not those that it excludes, whose weights are of special kinds or shared with others, nor empty ones.
    """
    modules = list_modules(pipe)
    common = find_shared_storages(modules.values())
    kept = set(getattr(pipe, "_exclude_from_cpu_offload", ()))
    return {
        name: module
        for name, module in modules.items()
        if name not in kept
        and packable(module)
        and (own := {t.untyped_storage()._cdata for t in weights_of(module)})
        and own.isdisjoint(common)
    }

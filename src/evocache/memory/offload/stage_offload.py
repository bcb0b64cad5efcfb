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

from ...model.pipeline_components import list_components
from .packed_weights import Packed, find_shared_storages, packable, weights_of

offload_lock = threading.RLock()
"""Held while weights move, while it is decided who may move them, and while hooks that move them come and go.

Who also needs `runtime.attach.interception.attaching` takes that first.
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

    Args:
        components: those that leave the device.
        stages: names of the stages that each is called in; none for what is never called.
        device: where they compute.
        callers: the uses of the open calls that the calling stack is part of, the innermost first.

    Attributes:
        uses: those of the calls that are open under it.
        keepers: what it is kept for between calls.
        waiting: those that were suspended for it, the latest first; they have their place again when it ends.
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
        self.waiting: Sequence[Offload] = ()
        self._callers = callers
        self._modules = dict(components)
        self._own: set[str] = set()
        self._packed: dict[str, Packed] = {}
        self.resume()

    def resume(self) -> None:
        """Move the components to host memory, and have their calls bring them back; the inverse of `suspend`."""
        with offload_lock:
            try:
                for name, module in self._modules.items():
                    self._packed[name] = Packed(module, self.device)
            except BaseException:  # as where no pinned memory is left
                for packed in self._packed.values():
                    packed.unpack()
                self._packed.clear()
                raise
            self._own = {name for name, module in self._modules.items() if "forward" in module.__dict__}
            for name, module in self._modules.items():
                add_hook_to_module(module, Summons(self, name))

    def call(self, name: str) -> None:
        """Have a component on the device, and nothing that only other stages need."""
        callers = self._callers()
        with offload_lock:
            if name not in self._packed:  # a deep copy of the component is called, and this has ended
                return
            if callers:
                self.enter(callers[0], name)
            mine = self.stages[name]
            needed = set(mine).union(*(use.stages for use in self.uses if use not in callers))
            for other, packed in self._packed.items():
                if mine and other != name and needed.isdisjoint(self.stages[other]):
                    packed.leave()
            self._packed[name].come()

    def enter(self, use: ComponentUse, name: str) -> None:
        """Enter the stages of a component that an open call is about to call, if it has some."""
        use.stages = frozenset(self.stages.get(name, ())) or use.stages

    def keeps(self, components: Mapping[str, nn.Module], stages: Mapping[str, Sequence[str]]) -> bool:
        """Return whether it keeps these components away, and none else, in all but these stages."""
        same = self.stages == {name: tuple(found) for name, found in stages.items()}
        return same and all(components.get(name) is module for name, module in self._modules.items())

    def size(self, name: str) -> int:
        """Return bytes of a component's weights."""
        return self._packed[name].size

    @property
    def there(self) -> tuple[str, ...]:
        """Components that are on the device now."""
        return tuple(name for name, packed in self._packed.items() if packed.there)

    def rest(self) -> None:
        """Have all of them leave."""
        with offload_lock:
            for packed in self._packed.values():
                packed.leave()

    def suspend(self) -> None:
        """Put them back on the device and leave them alone until `resume`; nothing happens if that was done."""
        with offload_lock:
            for name, packed in self._packed.items():
                module = self._modules[name]
                packed.unpack()
                remove_hook_from_module(module)
                if name not in self._own:
                    module.__dict__.pop("forward", None)
            self._packed.clear()

    def remove(self) -> None:
        """Put them back on the device, where they stay; nothing happens if that was done."""
        with offload_lock:
            self.suspend()
            self._modules.clear()

    @property
    def can_resume(self) -> bool:
        """Whether it is suspended, is kept for somebody, and nothing else moves its components."""
        free = not any(hasattr(module, "_hf_hook") for module in self._modules.values())
        return bool(self.keepers) and bool(self._modules) and not self._packed and free


class Summons(ModelHook):  # type: ignore[misc]
    """Brings a component to the device when it is called. Copies of a module share it, and copy nothing it holds."""

    def __init__(self, offload: Offload, name: str) -> None:
        self.offload = offload
        self.name = name
        self.execution_device = offload.device

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Called by accelerate before `forward`, and by diffusers before the methods that it hooks."""
        self.offload.call(self.name)
        return args, kwargs

    def __deepcopy__(self, memo: Any) -> Summons:
        return self


def find_offloadable(pipe: Any) -> dict[str, nn.Module]:
    """Components of a pipeline that can leave its device.

    Not those that it excludes, whose weights are of special kinds or shared with others, nor empty ones.
    """
    modules = {name: part for name, part in list_components(pipe).items() if isinstance(part, nn.Module)}
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

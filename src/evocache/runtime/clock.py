"""The clock: which step a denoiser call belongs to, told by the scheduler, and which of the step's calls it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch


class Tick(NamedTuple):
    """When a denoiser call happens: the denoising step, and the number of the call within the step, from 0."""

    step: int
    branch: int


class Clock:
    """Follows one generation.

    `set_timesteps` begins a pass; the first denoiser call after one or more `scheduler.step` calls begins the next
    step, unless it is given the very timestep of the call before (panoramas step one view after the other). Where the
    pipeline never calls `scheduler.step`, another timestep argument begins the next step. Calls of the same denoiser
    within a step are branches (sequential guidance, several passes, views). Nothing here reads a tensor's values on a
    device, so following costs no synchronisation.
    """

    def __init__(self) -> None:
        self.total = 0
        self.passes = 0
        self._begin(None)

    def _begin(self, scheduler: Any) -> None:
        self.step = -1
        self._scheduler = scheduler
        self._timesteps = getattr(scheduler, "timesteps", None)
        self._stepped = False
        self.ever_stepped = False
        self._position: int | None = None
        self._place: int | None = None
        self._seen: Any = None
        self._calls: dict[str, int] = {}

    def timesteps_set(self, scheduler: Any) -> None:
        """A scheduler was given its timesteps: a pass begins."""
        self.total = len(scheduler.timesteps)
        self.passes += 1
        self._begin(scheduler)

    def timestep_seen(self, timestep: Any) -> None:
        """The pipeline named the timestep of the coming denoiser call to the scheduler."""
        if self.step < 0:
            self._seen = timestep

    def stepped(self) -> None:
        """The scheduler made a step."""
        self._stepped = self.ever_stepped = True

    def ended(self) -> None:
        """The generation is over: nothing of it is kept on a device."""
        self._scheduler = self._timesteps = self._seen = None

    def called(self, denoiser: str, timestep: Any = None) -> Tick:
        """A denoiser is called; `timestep` is its argument of that name, if it has one."""
        before, self._place = self._place, _place(timestep, self._timesteps)
        stays = before is not None and self._place == before
        if self.step < 0:
            self.step = self._first_step(timestep)
            self._stepped = False
        elif (self._stepped and not stays) or (not self.ever_stepped and self._moved(timestep)):
            self.step += 1
            self._stepped = False
            self._calls.clear()
        branch = self._calls.get(denoiser, 0)
        self._calls[denoiser] = branch + 1
        return Tick(self.step, branch)

    def _moved(self, timestep: Any) -> bool:
        """Whether the timestep is another than at the last call: tells the step of a pipeline that solves by itself."""
        before, self._position = self._position, _position(timestep, self._scheduler)
        return self._position is not None and before is not None and self._position != before

    def _first_step(self, timestep: Any) -> int:
        """Where the pass starts: late for image-to-image."""
        self._moved(timestep)
        begin = getattr(self._scheduler, "begin_index", None)
        if isinstance(begin, int):
            return begin
        for seen in (self._seen, timestep):
            index = _position(seen, self._scheduler)
            if index is not None:
                return index
        return 0


def _position(timestep: Any, scheduler: Any) -> int | None:
    """Index of a timestep among the scheduler's: by where it lies in memory, or by value where that is on the host.

    Of several timesteps, one for each frame or token, the latest is meant: what is given, and not to be made, is told
    that it is without noise.
    """
    timesteps = getattr(scheduler, "timesteps", None)
    if not isinstance(timesteps, torch.Tensor) or timesteps.ndim != 1:
        return None
    if isinstance(timestep, torch.Tensor) and timestep.numel():
        place = _place(timestep, timesteps)
        if place is not None or timestep.device.type != "cpu":
            return place
        timestep = timestep.max().item()
    if isinstance(timestep, (int, float)) and timesteps.device.type == "cpu":
        matches = torch.nonzero(_matches(timestep, timesteps, scheduler)).flatten()
        return int(matches[0]) if len(matches) else None
    return None


def _place(timestep: Any, timesteps: Any) -> int | None:
    """Index of the timestep that a tensor is a view of; equal timesteps at other places are others."""
    if not isinstance(timestep, torch.Tensor) or not isinstance(timesteps, torch.Tensor) or timesteps.ndim != 1:
        return None
    if timestep.dtype != timesteps.dtype or not timestep.numel():
        return None
    ahead = timestep.data_ptr() - timesteps.data_ptr()
    stride = timesteps.element_size() * max(timesteps.stride(0), 1)
    return ahead // stride if 0 <= ahead < stride * len(timesteps) and ahead % stride == 0 else None


def _matches(timestep: int | float, timesteps: torch.Tensor, scheduler: Any) -> torch.Tensor:
    """Where a number is among the timesteps, or is one as a fraction of all training steps, or what is left of them.

    All are looked for, since the earliest is meant: 1.0 is the beginning for a model that is told fractions, though
    timesteps may end in 1.
    """
    same = timesteps == timestep
    training = getattr(getattr(scheduler, "config", None), "num_train_timesteps", None)
    if isinstance(timestep, float) and training:
        fractions = timesteps.double() / training
        for told in (fractions, 1 - fractions):
            same |= (told - timestep).abs() < 1e-6
    return same

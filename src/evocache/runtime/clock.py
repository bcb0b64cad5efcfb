"""The clock: which step a denoiser call belongs to, told by the scheduler, and which of the step's calls it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch


class Tick(NamedTuple):
    """When a denoiser call happens: the denoising step, and the number of the call within the step, from 0."""

    step: int
    call_index: int


class Clock:
    """Follows one generation.

    `set_timesteps` begins a pass; the first denoiser call after one or more `scheduler.step` calls begins the next
    step, unless it is given the very timestep of the call before (panoramas step one view after the other). Where
    several schedulers step (one for sound beside the video's, copies for frames), a call that is given the same
    timestep is of the same step; where that cannot be told without a device, the first one to step leads. Where the
    pipeline never calls `scheduler.step`, another timestep argument begins the next step. Calls of the same denoiser
    within a step are branches (sequential guidance, several passes, views). Nothing here reads a tensor's values on a
    device, so following costs no synchronisation; only a pipeline without any scheduler is asked for its timesteps.

    Args:
        steps: number of steps that were asked for; they are the total until a scheduler is given its timesteps.
    """

    def __init__(self, steps: int | None = None) -> None:
        self.total = steps or 0
        self.passes = 0
        self._begin([])

    def _begin(self, timed: list[tuple[Any, Any]]) -> None:
        self.step = -1
        self._timed = timed
        """Schedulers that were given their timesteps, the latest first, and these timesteps."""
        self._steppers: set[int] = set()
        """Schedulers that have stepped in the pass, by id; since the last step began; and without the leader."""
        self._stepped: set[int] = set()
        self._followed: set[int] = set()
        self._leader: int | None = None
        self._position: int | float | None = None
        self._last_values: tuple[float, ...] | None = None
        self._place: tuple[int, int] | None = None
        self._seen: Any = None
        self._calls: dict[str, int] = {}

    @property
    def ever_stepped(self) -> bool:
        """Whether a scheduler has stepped in this pass."""
        return bool(self._steppers)

    def timesteps_set(self, scheduler: Any) -> bool:
        """Begin a pass, since a scheduler was given its timesteps, unless one has just begun with another scheduler's.

        Returns:
            Whether a pass has begun.
        """
        self.total = len(scheduler.timesteps)
        begun = self.step < 0 and bool(self._timed)
        others = [(other, timesteps) for other, timesteps in self._timed if other is not scheduler]
        self.passes += not begun
        self._begin([(scheduler, scheduler.timesteps), *(others if begun else ())])
        return not begun

    def timestep_seen(self, timestep: Any) -> None:
        """Note the timestep of the coming denoiser call, as the pipeline named it to the scheduler."""
        if self.step < 0:
            self._seen = timestep

    def stepped(self, scheduler: Any = None) -> None:
        """Note that a scheduler made a step."""
        if self._leader is None:
            self._leader = id(scheduler)
        self._steppers.add(id(scheduler))
        self._stepped.add(id(scheduler))

    def ended(self) -> None:
        """End the generation: nothing of it is kept on a device."""
        self._timed = []
        self._seen = None

    def called(self, denoiser: str, timestep: Any = None) -> Tick:
        """Return the tick of a denoiser call; `timestep` is its argument of that name, if it has one."""
        before, self._place = self._place, self._places(timestep)
        stays = before is not None and self._place == before
        if self.step < 0:
            self.step = self._first_step(timestep)
            self._stepped.clear()
        elif (self._stepped and not stays and self._leads(timestep)) or (not self._steppers and self._moved(timestep)):
            self.step += 1
            self._stepped.clear()
            self._calls.clear()
        call_index = self._calls.get(denoiser, 0)
        self._calls[denoiser] = call_index + 1
        return Tick(self.step, call_index)

    def _leads(self, timestep: Any) -> bool:
        """Whether what has stepped since the last step began ends it."""
        if len(self._steppers) < 2 and len(self._timed) < 2:
            return True
        now, values = self._index(timestep), _on_host(timestep)
        before, self._last_values = self._last_values, values
        known = values is not None and before is not None
        if known and values == before and now is not None and self._single(now):
            return False
        changed = known and values != before
        if changed or self._leader in self._stepped:
            self._followed.clear()
            return True
        again = self._stepped & self._followed
        self._followed |= self._stepped
        if again:  # the one that led has ended
            self._leader = min(again)
        return bool(again)

    def _places(self, timestep: Any) -> tuple[int, int] | None:
        """Which scheduler's timestep, and which of them, a tensor is a view of."""
        for i, (_, timesteps) in enumerate(self._timed):
            place = _place(timestep, timesteps)
            if place is not None:
                return i, place
        return None

    def _index(self, timestep: Any) -> int | None:
        """Index of a timestep among those of the pass's schedulers."""
        found = (_position(timestep, scheduler) for scheduler, _ in self._timed)
        return next((index for index in found if index is not None), None)

    def _single(self, index: int) -> bool:
        """Whether the timestep at an index is there but once, so that an equal one is the same."""
        timesteps = self._timed[0][1]
        on_host = isinstance(timesteps, torch.Tensor) and timesteps.device.type == "cpu"
        return not on_host or int((timesteps == timesteps[index]).sum()) == 1

    def _moved(self, timestep: Any) -> bool:
        """Whether the timestep is another than at the last call: tells the step of a pipeline that solves by itself."""
        before = self._position
        self._position = self._index(timestep) if self._timed else _value(timestep)
        return self._position is not None and before is not None and self._position != before

    def _first_step(self, timestep: Any) -> int:
        """Where the pass starts: late for image-to-image."""
        self._moved(timestep)
        self._last_values = _on_host(timestep)
        if not self._timed:
            return 0
        begin = getattr(self._timed[0][0], "begin_index", None)
        if isinstance(begin, int):
            return begin
        for seen in (self._seen, timestep):
            index = self._index(seen)
            if index is not None:
                return index
        return 0


def _on_host(timestep: Any) -> tuple[float, ...] | None:
    """A timestep as numbers, one for each frame, if they can be read without waiting for a device."""
    if isinstance(timestep, torch.Tensor):
        return tuple(map(float, timestep.flatten().tolist())) if timestep.device.type == "cpu" else None
    return (float(timestep),) if isinstance(timestep, (int, float)) else None


def _value(timestep: Any) -> float | None:
    """A timestep as a number: of several, the latest."""
    if isinstance(timestep, torch.Tensor):
        return float(timestep.max()) if timestep.numel() else None
    return float(timestep) if isinstance(timestep, (int, float)) else None


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
    return ahead // stride if 0 <= ahead < stride * timesteps.shape[0] and ahead % stride == 0 else None


def _matches(timestep: int | float, timesteps: torch.Tensor, scheduler: Any) -> torch.Tensor:
    """Where a number is among the timesteps, or is one as a fraction of all training steps, or what is left of them.

    All are looked for, since the earliest is meant: 1.0 is the beginning for a model that is told fractions, though
    timesteps may end in 1.
    """
    same = timesteps == timestep
    training = getattr(getattr(scheduler, "config", None), "num_train_timesteps", None)
    if isinstance(timestep, float) and training:
        fractions = timesteps.double() / training
        for fraction in (fractions, 1 - fractions):
            same |= (fraction - timestep).abs() < 1e-6
    return same

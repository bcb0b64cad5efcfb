"""Gates at work: one decision a step for each denoiser, taken at its first call of the step, and all recorded."""

from __future__ import annotations

import numpy as np
import torch

from ...errors import PolicyError
from ...policies import Gate
from ...policies.base.gate import Governed
from ...schedule import COMPUTE, Provenance, Schedule
from ..compiled import Compiled
from .signals import SIGNALS


class GateState:
    """A gate at work on one denoiser through one pass.

    Attributes:
        governed: what it decides about.
        steps: number of steps of the pass.
        forecasts: order of the forecasts of what is not computed.
        signal: what it looks at.
        decisions: by step, whether it is computed.
        peak_bytes: the most that the signal kept alive.
        decider: the key of the branch whose calls it sees.
    """

    def __init__(self, gate: Gate, governed: Governed, steps: int) -> None:
        self.governed = governed
        self.steps = steps
        self.forecasts = gate.forecasts
        self.signal = SIGNALS[gate.signal]()
        self.decisions: dict[int, bool] = {}
        self.peak_bytes = 0
        self.decider: object = None
        self._rule = gate.rule(steps)

    def begin_branch(self, decider: object) -> None:
        """Begin a branch that decides: what was seen of another is no measure for it."""
        self.decider = decider
        self.signal.end()

    def decide(self, step: int, stream: torch.Tensor | None, *, must: bool) -> bool:
        """Decide whether a step is computed; the one place where a tensor's value is waited for.

        Args:
            step: its number.
            stream: what is about to enter the governed blocks; None if that was not found.
            must: whether there is nothing to reuse.
        """
        change = None if stream is None else self.signal.change(stream.detach())
        known = not must and change is not None and not self._rule.forced(step)
        computes = self._rule.computes(step, float(change) if known and change is not None else None)
        if computes:
            self.signal.computed()
        self.decisions[step] = computes
        self.note_bytes()
        return computes

    def note_bytes(self) -> None:
        """Note that something was kept."""
        self.peak_bytes = max(self.peak_bytes, self.signal.bytes)


class GateStates:
    """The governors of a generation, and what they decided.

    Args:
        compiled: what is applied; if it is no gate, there are no governors. It is not kept: it holds the model.
    """

    def __init__(self, compiled: Compiled) -> None:
        self.gate = compiled.gate
        self._governed, self._tree = compiled.governed, compiled.tree
        self._classes = compiled.model.classes if self.gate is not None else {}
        self._current: dict[str, GateState] = {}
        self._ended: list[GateState] = []

    def of(self, denoiser: str, steps: int) -> GateState | None:
        """Return the governor of a denoiser in the current pass; None if it is not governed."""
        governed = self._governed.get(denoiser)
        if self.gate is None or governed is None:
            return None
        if denoiser not in self._current:
            self._current[denoiser] = GateState(self.gate, governed, steps)
        return self._current[denoiser]

    def end_pass(self) -> None:
        """End a pass: what was compared is let go; the decisions stay."""
        self._ended += self._current.values()
        for governor in self._ended:
            governor.signal.end()
        self._current.clear()

    @property
    def all(self) -> tuple[GateState, ...]:
        """Those of all passes, in order."""
        return (*self._ended, *self._current.values())

    @property
    def peak_bytes(self) -> int:
        """The most that signals kept alive, all denoisers together."""
        return sum(governor.peak_bytes for governor in self.all)

    def recorded(self) -> Schedule | None:
        """Return what was decided, as a schedule that does the same again; None if nothing was. All else is computed.

        Raises:
            PolicyError: if a denoiser ran in several passes that were decided differently, or passes have different
                numbers of steps: no single schedule does that.
        """
        found = [g for g in self.all if g.decisions]
        if self.gate is None or not found:
            return None
        by_part: dict[str, GateState] = {}
        for governor in found:
            known = by_part.setdefault(governor.governed.part, governor)
            if known.decisions != governor.decisions or governor.steps != found[0].steps:
                raise PolicyError(
                    f"{self.gate} in a generation of several passes that were decided differently",
                    "passes of one number of steps that agree",
                    "apply a schedule instead",
                )
        tree = self._tree
        orders = np.full((found[0].steps, len(tree)), COMPUTE.order, dtype=np.int8)
        for part, governor in by_part.items():
            reused = [step for step, computes in governor.decisions.items() if not computes]
            orders[reused, tree.index[part]] = governor.forecasts
        return Schedule.repaired(tree, orders, model=self._classes, provenance=Provenance(self.gate.spec))

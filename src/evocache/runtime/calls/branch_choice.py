"""Which branch serves a denoiser call: the one of its conditioning, else the one of its place among a step's calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..clock import Tick
from ..ops.branch import Branch
from ..ops.latents import Placed, Signature, signature, tensors_of
from .conditioning import Identity, Memory, conditioning
from .conditioning_digests import Digests, Seen

CONDITIONING = ("encoder", "prompt", "text", "cond", "caption", "context", "embed", "control")
"""Words in the names of arguments that condition a denoiser."""

Open = Callable[[str, Signature | None], Branch]
"""Opens a branch under a name that no other branch of the generation has."""


_NONE = Digests({})
"""Of a call by whose values nothing was asked."""


@dataclass(eq=False)
class _Held:
    """A branch, the last call that it served, and what it was conditioned on.

    Attributes:
        branch: the branch.
        denoiser: name of its denoiser.
        role: what it may be used for: a step's first call, or one after it, if these do not follow the same.
        step: of its last call.
        call_index: that call's number in its step.
        memory: what its calls were conditioned on.
        guides: what the pipeline said then of whether it guides.
        digests: of the tensors of that call by which nothing else tells it.
    """

    branch: Branch
    denoiser: str
    role: object
    step: int
    call_index: int
    memory: Memory
    guides: bool | None
    digests: Digests


class Branches:
    """The branches of a generation.

    The calls of a step may come in another order than before. Where guidance is limited to an interval, some of them
    may not come at all. So the branch of a call is found in this order:

    1. The branch that was last given the very tensors that tell it from other branches.
    2. Where the host makes these tensors anew for each call, the branch that was given the same values. Where the
       pipeline says whether it guides, values are not compared: it is the branch of the call's place in the step,
       unless that branch is known to be of other conditioning.
    3. A new branch, which computes everything once. So it is for inputs of other shapes, too.
    """

    def __init__(self) -> None:
        self.finished: list[Branch] = []
        self._held: list[_Held] = []
        self._opened = 0
        self._seen: dict[str, Seen] = {}

    @property
    def live(self) -> list[Branch]:
        """Those that may be called again."""
        return [held.branch for held in self._held]

    @property
    def all(self) -> list[Branch]:
        """Those that are finished, and those that are not."""
        return [*self.finished, *self.live]

    def end_pass(self) -> None:
        """Timesteps are set anew, or the generation ends."""
        self.finished += self.live
        self._held.clear()
        self._seen.clear()

    def of(
        self,
        denoiser: str,
        tick: Tick,
        given: tuple[Any, Mapping[str, Any]],
        open: Open,
        *,
        timestep: Any = None,
        role: object = None,
        guides: bool | None = None,
    ) -> Branch:
        """Return the branch of a call; a new one where none is known to be of its conditioning and shapes.

        Args:
            denoiser: name of the denoiser.
            tick: the step, and the call's number in it.
            given: its positional and its named arguments.
            open: makes a new branch.
            timestep: the argument that is the timestep.
            role: what the branch must be good for.
            guides: what the pipeline says of whether it guides; a branch that is only known by its place ends with it.
        """
        self._retire(tick.step)
        samples, others = tensors_of(*given)
        again = self._again(denoiser, tick, samples, others, timestep, role, guides)
        if again is not None:
            return again
        peers = [held for held in self._held if held.denoiser == denoiser]
        same = next((held for held in peers if (held.step, held.call_index) == tick and held.role == role), None)
        if same is not None:
            return same.branch
        shapes, identities = signature(samples, others), conditioning(others, timestep)
        free = [held for held in peers if held.step < tick.step]
        usual = max(
            (held for held in free if held.call_index == tick.call_index), key=lambda held: held.step, default=None
        )
        fit = [held for held in free if held.role == role and held.branch.signature == shapes]
        scores = {id(held): len(_distinguishing(held, identities, peers)) for held in fit}
        digests, same_values = self._by_values(denoiser, tick.step, others, identities, peers, fit, guides)
        fit = [held for held in fit if not _changed(held, identities)]
        if same_values is not None:
            fit = [held for held in fit if id(held) in same_values]
        else:
            fit = [held for held in fit if scores[id(held)] or held is usual]
        best = max(fit, key=lambda held: (scores[id(held)], held is usual, held.step), default=None)
        if best is not None and (scores[id(best)] or best.guides == guides):
            best.step, best.call_index, best.guides, best.digests = tick.step, tick.call_index, guides, digests
            best.memory.note(identities)
            return best.branch
        fresh: frozenset[str] = frozenset()
        if usual is not None:
            fresh = usual.memory.guessed(_changed(usual, identities))
            if not usual.memory.alive or _samples(usual.branch) != (shapes and shapes.samples):
                self._end(usual, tick.step)
        self._opened += 1
        branch = open(f"{denoiser} {tick.call_index} {self._opened}", shapes)
        self._held.append(
            _Held(branch, denoiser, role, tick.step, tick.call_index, Memory(identities, fresh), guides, digests)
        )
        return branch

    def _again(
        self,
        denoiser: str,
        tick: Tick,
        samples: Sequence[Placed],
        others: Sequence[Placed],
        timestep: Any,
        role: object,
        guides: bool | None,
    ) -> Branch | None:
        """The branch of the latest call of this place in a step, if this one is given all that it was given.

        Then no other branch has more in common with it. None if it is not, or the rules have to tell.
        """
        usual: _Held | None = None
        for held in self._held:
            if held.denoiser == denoiser and held.call_index == tick.call_index:
                if held.step >= tick.step:
                    return None
                if usual is None or held.step > usual.step:
                    usual = held
        if usual is None or usual.role != role or usual.guides != guides:
            return None
        shapes, memory = usual.branch.signature, usual.memory
        alike = isinstance(shapes, Signature) and shapes.is_of(samples, others)
        if not alike or not memory.is_given(others, timestep):
            return None
        usual.step, usual.digests = tick.step, _NONE
        memory.note_again()
        return usual.branch

    def _by_values(
        self,
        denoiser: str,
        step: int,
        others: Sequence[Placed],
        identities: Mapping[str, Identity],
        peers: Sequence[_Held],
        fit: Sequence[_Held],
        guides: bool | None,
    ) -> tuple[Digests, set[int] | None]:
        """Digests of what a call is given anew, and which branches were given the same; None where that tells nothing.

        Nothing is asked of values where the pipeline says whether it guides, or the very tensors tell several branches
        apart.
        """
        distinct = len(peers) > 1 and any(_distinguishing(held, identities, peers) for held in fit)
        if guides is not None or distinct:
            return _NONE, None
        anew = {p for p, i in identities.items() if _prompts(p) and not any(held.memory.knows(p, i) for held in peers)}
        anew -= {p for p in anew if any(not _conditions(held, p, identities[p]) for held in peers)}
        if not anew:
            return _NONE, None
        digests = Digests({place: tensor for place, tensor in others if place in anew})
        if not fit:
            return digests, None
        alike = self._seen.setdefault(denoiser, Seen()).alike(digests, [h.digests for h in fit], sorted(anew), step)
        return digests, None if alike is None else {id(held) for held, same in zip(fit, alike, strict=True) if same}

    def drop(self, denoiser: str, step: int) -> None:
        """Forget all branches of a denoiser: from a step on its calls are others."""
        for held in [held for held in self._held if held.denoiser == denoiser]:
            self._end(held, step)

    def _retire(self, step: int) -> None:
        """End the branches that a whole step went by without: the pipeline has left their branch or denoiser."""
        for held in [held for held in self._held if held.step < step - 1]:
            self._end(held, step)

    def _end(self, held: _Held, step: int) -> None:
        held.branch.drop(step)
        self._held.remove(held)
        self.finished.append(held.branch)


def _changed(held: _Held, identities: Mapping[str, Identity]) -> frozenset[str]:
    """Places at which a call is given other conditioning than a branch.

    What has the shape of something that the denoiser predicts, and no name of conditioning, is further latents, such as
    a video's sound: they are others at each step, and the host or its solver may still hold the last ones.
    """
    return frozenset(place for place in held.memory.changed(identities) if _conditions(held, place, identities[place]))


def _prompts(place: str) -> bool:
    """Whether an argument may be a prompt, by its name or as a positional one; what a ControlNet gives is none."""
    name = place.partition(".")[0]
    return "control" not in name and (name.isdigit() or any(word in place for word in CONDITIONING))


def _conditions(held: _Held, place: str, identity: Identity) -> bool:
    return identity.shape not in held.branch.predicted or any(word in place for word in CONDITIONING)


def _distinguishing(held: _Held, identities: Mapping[str, Identity], peers: Iterable[_Held]) -> set[str]:
    """Places at which a call is given what the branch was given, and not all branches were."""
    others = [peer for peer in peers if peer is not held]
    shared = held.memory.shared(identities)
    return {p for p in shared if not others or any(peer.memory.given.get(p) != identities[p] for peer in others)}


def _samples(branch: Branch) -> object:
    return branch.signature.samples if isinstance(branch.signature, Signature) else None

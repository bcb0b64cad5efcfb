"""The policy that learns: what would do best now decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from ..demand.demand import LEAST_KEYS, Demand
from ..demand.scored import Scored
from ..demand.shipped import SHIPPED
from ..demand.weights import Weights
from ..policies.lru import LRU
from ..policies.policy import Item
from ..policies.ranked.gdsf import GDSF
from ..policies.s3fifo import S3FIFO
from .audit import Audit, Decision
from .evolve import Evolved
from .learning_policy import LearningPolicy
from .recent import Recent
from .settings import Settings
from .shadows import Maker, Shadows
from .study import Study

EVOLVED = "evolved"
"""Name of the score whose weights go on evolving."""

BEHIND = 20_000
"""Requests that the shadows are yet to be shown, at the most; of more the oldest are left out."""

BATCH = 50
"""Requests that the shadows are shown while the lock is held once: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Holds a key that was removed, in its place among requests that the shadows are yet to be shown.

    Attributes:
        key: the key.
        known: whether what is known of it stays, as where its time was over.
    """

    key: int
    known: bool


class Adaptive(LearningPolicy):
    """Decides as does best now: a weighted score of demand, or GDSF, S3-FIFO or LRU as insurance.

    Shadow caches of digests tell how each of them would have done lately. The score comes with weights that were
    evolved on kinds of workloads, and beside those with weights that go on evolving on the latest requests: where these
    do worse, the others decide again.

    Args:
        max_bytes: bytes that may be held.
        seed: seeds the draws.
        weights: of the score, by name; those of the package if not given.
        settings: how readily another policy takes over, and how often weights are evolved.
        behind: whether learning waits for `lesson`; else it happens at each request.
    """

    name = "learned"
    summary = "what does best now: an evolved score of demand, GDSF, S3-FIFO or LRU"
    paper = "ours, 2026; the leader is followed as in Herbster and Warmuth, Tracking the Best Expert, 1998"

    def __init__(
        self,
        max_bytes: int,
        *,
        seed: int = 0,
        weights: Mapping[str, Weights] | None = None,
        settings: Settings | None = None,
        behind: bool = False,
    ) -> None:
        super().__init__(max_bytes, seed=seed)
        self.settings = settings or Settings()
        self.behind = behind
        self.demand = Demand()
        self.audit = Audit()
        self.since = 0
        self._seed = seed
        self._makers: dict[str, Maker] = {
            **{name: self._score(given) for name, given in (weights or SHIPPED).items()},
            "gdsf": partial(GDSF, seed=seed),
            "s3fifo": partial(S3FIFO, seed=seed),
            "lru": partial(LRU, seed=seed),
        }
        self.shadows = Shadows(self._makers, max_bytes, self.settings.half_life)
        self.decider = next(iter(self._makers))
        self._policy = self._makers[self.decider](max_bytes)
        self._items: dict[int, Item] = {}
        self._behind: deque[tuple[Item, int] | Gone] = deque(maxlen=BEHIND)
        self._look = self.settings.first
        self._recent = Recent()
        self._study = Study(self.settings, seed)
        self._weights = dict(weights or SHIPPED)
        """Weights of the scores, by name."""

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Tell what decides, and the shadows."""
        item = self._items.get(key)
        if item is not None:
            seen = Item(key, item.size, item.seconds, owner, item.group)
            self.demand.note(seen, now)
            self._policy.hit(key, now, owner)
            self._asked(seen, now)

    def add(self, item: Item, now: int) -> list[int]:
        """Make room as what decides does."""
        self.demand.note(item, now)
        gone = self._policy.add(item, now)
        self._items[item.key] = item
        self._left(gone)
        self._asked(item, now)
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry, and what is known of its key."""
        self._policy.remove(key)
        self._left([key])
        self._withdraw(Gone(key, known=False))

    def clear(self) -> None:
        """Forget all entries, those of the shadows among them, and the requests that they are yet to be shown."""
        self._behind.clear()
        for key in {*self._items, *self.shadows.keys()}:
            self.remove(key)

    def evict(self, key: int) -> None:
        """Let an entry go; what is known of its key stays."""
        self._policy.evict(key)
        self._left([key])

    def expire(self, key: int) -> None:
        """Let an entry go whose time is over, from the shadows as well."""
        self._policy.expire(key)
        self._left([key])
        self._withdraw(Gone(key, known=True))

    def items(self) -> Iterator[Item]:
        """Yield what is held, as what decides would have it leave."""
        return self._policy.items()

    def resize(self, max_bytes: int, now: int) -> list[int]:
        """Hold no more than another number of bytes from now on."""
        self.max_bytes = max_bytes
        self.shadows.resize(max_bytes, now)
        gone = self._policy.resize(max_bytes, now)
        self._left(gone)
        return gone

    def forget_owner(self, owner: int) -> None:
        """Forget an owner's habits, and the requests of that owner that weights would be evolved on."""
        self.demand.forget_owner(owner)
        self._recent.forget(owner)
        self.shadows.forget_owner(owner)
        behind = [entry[0] for entry in self._behind if not isinstance(entry, Gone)]
        for item in [*self._items.values(), *behind]:
            if item.owner == owner:
                item.owner = 0

    def lesson(self, lock: AbstractContextManager[object]) -> Callable[[], None] | None:
        """Return what shows the shadows what they have not seen yet, and evolves weights when that is due."""
        if not self._behind and not self._study.due(len(self._recent)):
            return None

        def learn() -> None:
            while self._behind:
                with lock:
                    for _ in range(min(BATCH, len(self._behind))):
                        self._catch_up(self._behind.popleft())
            with lock:
                task = self._study.begin(self._recent, self._best_weights, self.max_bytes)
            if task is not None:
                found = task()
                with lock:
                    self._conclude(found)

        return learn

    def _asked(self, item: Item, now: int) -> None:
        self._recent.note(item)
        self._study.asked()
        if self.behind:
            self._behind.append((item, now))
            return
        self._show(item, now)
        task = self._study.begin(self._recent, self._best_weights, self.max_bytes)
        if task is not None:
            self._conclude(task())

    def _withdraw(self, gone: Gone) -> None:
        """Have the shadows let a key go now, and once more when they were shown the requests before."""
        noted = gone.key in self.demand
        self._catch_up(gone)
        if self._behind and (noted or len(self._behind) > LEAST_KEYS):  # else none of them is for it
            self._behind.append(gone)

    def _catch_up(self, one: tuple[Item, int] | Gone) -> None:
        """Show the shadows a request, or have them let a key go."""
        if not isinstance(one, Gone):
            self._show(*one)
        elif one.known:
            self.shadows.expire(one.key)
        else:
            self.shadows.remove(one.key)
            if one.key not in self._items:  # it was not asked for again
                self.demand.forget(one.key)

    def rollback(self) -> bool:
        """Take the latest change of evolved weights back; return whether there was one."""
        for decision in reversed(self.audit.read()):
            if decision.weights is not None and decision.weights != self._weights[EVOLVED]:
                self._adopt(decision.weights)
                gains = self.shadows.gains()[EVOLVED]
                self.audit.write(Decision(self.demand.now, EVOLVED, EVOLVED, gains, gains, "taken back by hand"))
                return True
        return False

    def _best_weights(self) -> Weights:
        """Return the weights that would do best now."""
        gains = self.shadows.gains()
        return self._weights[max(self._weights, key=gains.__getitem__)]

    def _left(self, keys: list[int]) -> None:
        for key in keys:
            self._items.pop(key, None)
        self.bytes = self._policy.bytes

    def _score(self, weights: Weights) -> Maker:
        return partial(Scored, seed=self._seed, weights=weights, demand=self.demand)

    def _show(self, item: Item, now: int) -> None:
        """Show the shadows a request, and look at times whether another policy should decide."""
        self.shadows.request(item, now)
        if self.shadows.requests < self._look:
            return
        self._look = self.shadows.requests + self.settings.every
        gains = self.shadows.gains()
        best = max(gains, key=gains.__getitem__)
        if gains[best] > gains[self.decider] * (1 + self.settings.margin):
            reason = f"gained more on the last {self.settings.half_life:,} requests or so"
            self.audit.write(Decision(now, self.decider, best, gains[self.decider], gains[best], reason))
            self._hand_over(best, now)

    def _hand_over(self, to: str, now: int) -> None:
        """Have another policy decide about what is held."""
        before, self._policy = self._policy, self._makers[to](self.max_bytes)
        self.decider, self.since = to, now
        for item in list(before.items()):
            self._policy.add(item, now)
            before.evict(item.key)

    def _conclude(self, found: Evolved) -> None:
        """Have weights go on from those that were evolved, if they are better."""
        if not found.better:
            return
        reason = f"better on {found.judged:,} requests that they were not evolved on"
        decision = Decision(
            self.demand.now, EVOLVED, EVOLVED, found.champion, found.challenger, reason, weights=found.former
        )
        self.audit.write(decision)
        self._adopt(found.weights)

    def _adopt(self, weights: Weights) -> None:
        self._weights[EVOLVED] = weights
        self._makers[EVOLVED] = self._score(weights)
        self.shadows.put(EVOLVED, self._makers[EVOLVED], like=next(iter(self._makers)), now=self.demand.now)
        if self.decider == EVOLVED and isinstance(self._policy, Scored):
            self._policy.weights = weights

"""Shadow caches: what other policies would have gained, on a sample of the keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..policies.policy import EvictionPolicy, Item

MOST = 1024
"""Entries of a shadow cache before half of the keys are left out of the sample."""

_MIX, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1

Maker = Callable[[int], EvictionPolicy]
"""Makes an empty policy for a number of bytes."""


class Shadow:
    """Runs a policy on a sample of the keys, with as much smaller a room, and keeps count of what it gains.

    Gains are moving averages over the requests of the sample: a request that would have been answered counts one, and
    its seconds relative to the average request's, half and half.

    Args:
        make: makes the policy.
        max_bytes: of the cache that it stands for.
        half_life: requests after which a gain counts half.
    """

    def __init__(self, make: Maker, max_bytes: int, half_life: int) -> None:
        self.policy = make(max_bytes)
        self._keep = 2 ** (-1 / half_life)
        self._sum = 0.0

    def request(self, item: Item, now: int, worth: float) -> None:
        """Show it a request that is worth so much."""
        policy = self.policy
        self._sum *= self._keep
        if item.key in policy:
            self._sum += worth
            policy.hit(item.key, now, item.owner)
        else:
            policy.add(item, now)

    def begin(self, like: Shadow, now: int) -> None:
        """Begin with what another one holds, and with its gain."""
        self._sum = like._sum
        for item in list(like.policy.items()):
            self.policy.add(item, now)

    def end(self) -> None:
        """Let go of all that it holds, which tables of demand would remember for ever."""
        for item in list(self.policy.items()):
            self.policy.evict(item.key)

    @property
    def gain(self) -> float:
        """Average gain a request."""
        return self._sum * (1 - self._keep)


class Shadows:
    """Runs several policies side by side on one sample of the keys.

    The sample begins with all keys; when a shadow holds more than 1,024 entries half of the keys are left out, by their
    digests, and the rooms are halved.

    Args:
        makers: by name, what makes each policy.
        max_bytes: of the cache that they stand for.
        half_life: requests after which a gain counts half.
    """

    def __init__(self, makers: Mapping[str, Maker], max_bytes: int, half_life: int) -> None:
        self.max_bytes = max_bytes
        self.halvings = 0
        """How often half of the keys were left out."""
        self.requests = 0
        """Requests of the sample so far."""
        self._seconds = self._seen = 0.0
        self._half_life = half_life
        self.of = {name: Shadow(make, max_bytes, half_life) for name, make in makers.items()}

    def sampled(self, key: int) -> bool:
        """Return whether a key is in the sample."""
        return not self.halvings or ((key * _MIX) & _MASK) >> (64 - self.halvings) == 0

    def request(self, item: Item, now: int) -> None:
        """Show all of them a request; one of a key outside of the sample is passed over."""
        if not self.sampled(item.key):
            return
        self.requests += 1
        self._seen = self._seen * 0.999 + 1
        self._seconds = self._seconds * 0.999 + item.seconds
        worth = 0.5 + 0.5 * item.seconds * self._seen / self._seconds if self._seconds else 1.0
        most = 0
        for shadow in self.of.values():
            shadow.request(item, now, worth)
            most = max(most, len(shadow.policy))
        if most > MOST:
            self._halve(now)

    def put(self, name: str, make: Maker, like: str, now: int) -> None:
        """Run another policy beside the others, or in the place of one of its name.

        Args:
            name: its name.
            make: makes it.
            like: it begins with what this one, or the one of its name, holds, and with its gain.
            now: number of requests so far.
        """
        former = self.of.get(name, self.of[like])
        shadow = Shadow(make, self.max_bytes >> self.halvings, self._half_life)
        shadow.begin(former, now)
        if name in self.of:
            former.end()
        self.of[name] = shadow

    def gains(self) -> dict[str, float]:
        """Return the average gain a request, by name."""
        return {name: shadow.gain for name, shadow in self.of.items()}

    def resize(self, max_bytes: int, now: int) -> None:
        """Stand for a cache of another size from now on."""
        self.max_bytes = max_bytes
        for shadow in self.of.values():
            shadow.policy.resize(max_bytes >> self.halvings, now)

    def keys(self) -> set[int]:
        """Return the keys that any of them holds."""
        return {item.key for shadow in self.of.values() for item in shadow.policy.items()}

    def remove(self, key: int) -> None:
        """Forget a key."""
        for shadow in self.of.values():
            shadow.policy.remove(key)

    def expire(self, key: int) -> None:
        """Let a key go whose time is over."""
        for shadow in self.of.values():
            shadow.policy.expire(key)

    def forget_owner(self, owner: int) -> None:
        """Forget whose request brought an entry, where it was this owner's."""
        for shadow in self.of.values():
            for item in shadow.policy.items():
                if item.owner == owner:
                    item.owner = 0

    def _halve(self, now: int) -> None:
        self.halvings += 1
        for shadow in self.of.values():
            for item in list(shadow.policy.items()):
                if not self.sampled(item.key):
                    shadow.policy.remove(item.key)
            shadow.policy.resize(self.max_bytes >> self.halvings, now)

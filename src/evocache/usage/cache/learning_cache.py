"""A mapping that computes what it lacks, and learns what is worth keeping."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ...display import Displayed
from ...units import in_bytes
from ..ahead import Ahead
from ..keys.digest import Digester
from ..keys.secret import installation_secret
from ..learn.learning_policy import LearningPolicy
from ..learn.policies import policy_of
from ..policies.policy import EvictionPolicy
from ..profile.speculation import Propose
from ..tiers.codecs.codec import STANDARD, Codec, Codecs
from ..tiers.tier import Tier
from ..upkeep import UPKEEP
from .answers import Answers
from .contents import Contents
from .entry import Question
from .event_log import open_log
from .lower_tiers import LowerTiers, tiers_of
from .mapping import AnswersMapping
from .names import NAMES, Names, checked_tenant
from .single_flight import PATIENCE
from .stats import Stats, stats_of

if TYPE_CHECKING:
    from ..records.privacy import Privacy
    from ..records.recorder import Recorder

Value = TypeVar("Value")


class LearningCache(AnswersMapping, Displayed):
    """Keeps answers within a number of bytes, those that are expected to save most seconds per byte.

    Keys are anything that is equal in every process (see `keys.canonical.encode`): numbers, texts, tuples, dicts,
    arrays, frames. Values are copied when they are kept and given, unless they cannot be changed. Threads and
    coroutines may use it alike; a child process begins with what its parent held, and goes its own way.

    Args:
        max_bytes: bytes that answers may take in memory: a number, or `"256MB"`.
        policy: who stays: `"learned"`, the name of another (`"lru"`, `"gdsf"`...), or a policy.
        tenant: whose answers they are. It is part of every key: tenants share nothing, in no tier.
        disk: a folder for a tier on the disk, which outlives the process; or a tier.
        shared: the address of a Valkey or Redis server (`"valkey://host"`) that several machines share; or a tier.
        disk_bytes: bytes that answers may take on the disk, of each tenant.
        shared_bytes: bytes that answers may take on the server, of each tenant.
        codecs: write values for the tiers below; `"pickle"` is used only if it is named, signed, and never shared.
        ttl: seconds that an answer is fresh, those that tiers hold already among them; None for ever.
        stale: seconds beyond that for which it may be given while it is computed anew.
        arrays: whether numpy arrays are given as copies, or without a copy as arrays that cannot be changed.
        records: where requests are recorded: a file of SQLite, a URL of it or of Postgres, or a recorder; nowhere if
            not given.
        privacy: what is recorded of a request: `"digest"`: digests of key, owner and group, no text; `"text"`: the
            question as a text, too, which people who ask have to agree to; `"none"`: neither texts nor digests.
        speculate: what to compute ahead in idle time, for owners who probably ask their last question again: a function
            of an `Asked` that returns a `Proposal` or None, or `"repeat"` for last questions whose answers expired or
            were evicted. Off if not given.
        speculate_share: part of the time that may be spent on that, in seconds of its thread by seconds of the clock.
        patience: seconds that a request waits for an equal one in flight; then it is computed once more, and warned
            of. So a function ends that waits for a job of its own, in a pool of threads, which asks the same. None
            to wait for ever.
        durable: whether an answer is on the disk before it is given; else at most the last second is lost.
        upkeep: whether a thread tells the policy of hits and learns; else both happen at misses, and in `learn()`.
        seed: seeds what the policy draws.
        secret: keys digests; the installation's own if not given.
        clock: seconds, on a clock that never goes back.
        wall: seconds since 1970, which the tiers below and records go by.

    Raises:
        AmountError: if `max_bytes` is no amount of memory, such as `-1` or `"much"`.
        UsageError: if the policy, the privacy or `arrays` is unknown; if the tenant is no text; if `speculate` is no
            function, or its share not from 0 to 1; if `durable` has no tier, or `privacy="text"` no `records`.

    >>> cache = LearningCache("64MB")
    >>> cache.get_or_compute("a question", lambda: 6 * 7)
    42
    >>> "a question" in cache, len(cache)
    (True, 1)
    """

    def __init__(
        self,
        max_bytes: int | str,
        *,
        policy: str | EvictionPolicy = "learned",
        tenant: str | None = None,
        disk: str | os.PathLike[str] | Tier | None = None,
        shared: str | Tier | None = None,
        disk_bytes: int | str = "4GB",
        shared_bytes: int | str = "4GB",
        codecs: Sequence[str | Codec] = STANDARD,
        ttl: float | None = None,
        stale: float = 0.0,
        arrays: Literal["copy", "read-only"] = "copy",
        records: str | os.PathLike[str] | Recorder | None = None,
        privacy: Privacy = "digest",
        speculate: Propose | Literal["repeat"] | None = None,
        speculate_share: float = 0.2,
        patience: float | None = PATIENCE,
        durable: bool = False,
        upkeep: bool = True,
        seed: int = 0,
        secret: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.tenant = checked_tenant(tenant)
        self.max_bytes = room = in_bytes(max_bytes)
        secret = installation_secret() if secret is None else secret
        names = Names(Digester(secret, self.tenant))
        log = open_log(records, privacy, names, self.tenant, clock, wall)
        contents = Contents(policy_of(policy, room, seed), names.owner, log)
        rooms = {"disk_bytes": in_bytes(disk_bytes), "shared_bytes": in_bytes(shared_bytes)}
        known = Codecs(codecs, secret=secret)
        tiers = tiers_of(disk, shared, secret=secret, tenant=self.tenant, durable=durable, wall=wall, **rooms)
        below = LowerTiers(tiers, names, known, wall)
        answers = Answers(
            contents, names, below, ttl=ttl, stale=stale, arrays=arrays, durable=durable, patience=patience, clock=clock
        )
        super().__init__(answers, clock)
        self._closed = False
        self._ahead = None if speculate is None else Ahead(answers, speculate, speculate_share, clock)
        if upkeep:
            if self._ahead is not None:
                self._ahead.start()
            policy_in_use = contents.policy
            if isinstance(policy_in_use, LearningPolicy):
                policy_in_use.behind = True
            UPKEEP.watch(contents)

    def get_or_compute(
        self,
        key: Hashable,
        compute: Callable[[], Value],
        *,
        owner: Hashable | None = None,
        group: Hashable | None = None,
        ttl: float | None = None,
        size: int | None = None,
        seconds: float | None = None,
    ) -> Value:
        """Return the value of a key, computed now where it is not held.

        One of those who ask for it at the same time computes it, the others wait; what raises is nobody's value, and
        each of them tries for itself.

        Args:
            key: the key.
            compute: computes the value. With `stale` or `speculate` it is called later as well, in another thread, so
                that it has to bind the variables that it reads: `lambda url=url: download(url)`.
            owner: who asks, such as a user: a label to learn from, no isolation.
            group: what the key is about, such as the subject of a prompt: a label to learn from.
            ttl: seconds that the value is fresh, if not as long as the cache says.
            size: bytes that it takes; measured if not given.
            seconds: what computing it takes; measured if not given.

        Raises:
            UsageError: if the key has no encoding.
        """
        name: Any = key if type(key) in NAMES else self._name(key)
        entry = self._entries.get(name)
        if entry is not None and (now := self._clock()) < entry.fresh:
            self._ring.append((self._number(), entry, owner, now, "hit"))
            try:
                value: Value = entry.give(entry.kept)
                return value
            except Exception as error:
                self._answers.spoil(entry, error)
        question = Question(key, name, owner, group, ttl, size, seconds)
        return self._answers.get(question, compute)  # type: ignore[no-any-return]

    async def aget_or_compute(
        self,
        key: Hashable,
        compute: Callable[[], Awaitable[Value] | Value],
        *,
        owner: Hashable | None = None,
        group: Hashable | None = None,
        ttl: float | None = None,
        size: int | None = None,
        seconds: float | None = None,
    ) -> Value:
        """Return the value of a key as `get_or_compute` does, in a coroutine; `compute` may be a coroutine function.

        One that is cancelled while it computes hangs nobody: another of those who wait goes on.

        Raises:
            UsageError: if the key has no encoding.
        """
        name: Any = key if type(key) in NAMES else self._name(key)
        entry = self._entries.get(name)
        if entry is not None and (now := self._clock()) < entry.fresh:
            self._ring.append((self._number(), entry, owner, now, "hit"))
            try:
                value: Value = entry.give(entry.kept)
                return value
            except Exception as error:
                self._answers.spoil(entry, error)
        question = Question(key, name, owner, group, ttl, size, seconds)
        return await self._answers.aget(question, compute)  # type: ignore[no-any-return]

    def clear(self, owner: Hashable | None = None) -> None:
        """Forget all that is held, in all tiers; with an owner, what that owner asked for first.

        What is known of the owner's habits is forgotten as well, and requests that are yet to be recorded. What is
        being computed now is given to those who asked, not kept, and recorded as nobody's. Records in a store stay:
        `evocache usage delete` deletes them.

        Raises:
            UsageError: if a tier cannot be used, so that answers may still be there; if the owner has no encoding.
        """
        names, contents = self._answers.names, self._contents
        asked = names.owner(owner)
        contents.drain()  # what was asked before is noted before it is forgotten
        if self._ahead is not None:
            self._ahead.forget(asked)
        self._answers.flights.void(
            lambda question: owner is None or names.owner(question.owner) == asked, forget_owner=owner is not None
        )
        if owner is None:
            contents.clear()
        else:
            for entry in contents.select(lambda entry: entry.owner == asked):
                contents.forget(entry.name, entry.id)
            contents.forget_owner(asked)
        names.forget_owner(owner)
        if contents.log is not None:
            contents.log.forget_owner(owner)
        self._answers.below.clear(owner)

    def pin(self, key: Hashable) -> None:
        """Have a key stay until it is unpinned, invalidated or its time is over.

        Raises:
            KeyError: if it is not held.
        """
        self._contents.pin(self._entries[self._name(key)])

    def unpin(self, key: Hashable) -> None:
        """Let the policy decide about a key again.

        Raises:
            KeyError: if it is not held.
        """
        self._contents.unpin(self._entries[self._name(key)])

    @property
    def stats(self) -> Stats:
        """What was done so far."""
        return stats_of(self._contents, self._answers, self.tenant, None if self._ahead is None else self._ahead.spent)

    def learn(self) -> None:
        """Learn now from all that was asked so far, however long it takes; nothing is left for the thread."""
        self._contents.drain()
        lesson = self._contents.lesson()
        if lesson is not None:
            lesson()

    def flush(self) -> None:
        """Wait until all that was answered so far is written to the tiers below."""
        self._contents.drain()
        self._answers.below.flush()
        if self._contents.log is not None:
            self._contents.log.recorder.flush()

    def close(self) -> None:
        """Write what is to be written, and let the tiers below go. The cache can be used on, in memory alone."""
        if not self._closed:
            self._closed = True
            UPKEEP.forget(self._contents)
            if self._ahead is not None:
                self._ahead.close()
            self._contents.drain()
            self._answers.close()
            if self._contents.log is not None:
                self._contents.log.close()
                self._contents.log = None

    def __enter__(self) -> LearningCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return str(self.stats)

    def __repr__(self) -> str:
        stats = self.stats
        return f"<LearningCache: {stats.entries} answers, {stats.bytes} of {stats.max_bytes} bytes, {stats.decider}>"

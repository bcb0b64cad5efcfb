"""Workloads of a learning cache: who asks for what, in which order. Each is drawn from a seed, and nothing else.

A request asks for a picture of a subject in one of its captions: its key is both, its group the subject. Answers take
3,990 bytes (a small PNG) and 0.8 seconds unless a workload says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .policies.trace import Trace

BYTES = 3_990
SECONDS = 0.8

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class People:
    """Says how requests of many users come about.

    Attributes:
        users: how many there are.
        heavy: how many of them send much.
        heavy_share: which part of the requests these send.
        subjects: how many subjects there are.
        captions: how many captions a subject has.
        exponent: of the Zipf law by which subjects are asked for.
        every: requests after which the ranks of some subjects are exchanged; 0 for never.
        exchanged: part of the subjects of which they are.
        crowds: how many requests there are for each that starts a flash crowd; 0 for no crowds.
        crowd: fewest and most requests that a crowd lasts.
        crowd_share: probability that a request is the crowd's meanwhile.
        again: probability that a heavy user, and another, asks the own last question again.
        edited: part of these in which its caption is another.
    """

    users: int = 400
    heavy: int = 10
    heavy_share: float = 0.35
    subjects: int = 6_000
    captions: int = 24
    exponent: float = 0.8
    every: int = 2_500
    exchanged: float = 1 / 3
    crowds: int = 1_500
    crowd: tuple[int, int] = (100, 400)
    crowd_share: float = 0.4
    again: tuple[float, float] = (0.5, 0.2)
    edited: float = 0.5


def people(seed: int, requests: int = 20_000, of: People | None = None) -> Trace:
    """Return requests of users with habits, whose interests drift: the workload `drift` with the default numbers."""
    of = of or People()
    random = np.random.default_rng(seed)
    ranks = random.permutation(of.subjects)
    drawn = random.choice(of.subjects, requests, p=zipf(of.subjects, of.exponent))
    latest: dict[int, int] = {}
    keys, owners = np.empty(requests, np.int64), np.empty(requests, np.int64)
    crowd, left = 0, 0

    def caption(subject: int) -> int:
        return subject * of.captions + int(random.integers(of.captions))

    for i in range(requests):
        if of.every and i and i % of.every == 0:
            moved = random.choice(of.subjects, int(of.subjects * of.exchanged), replace=False)
            ranks[moved] = ranks[random.permutation(moved)]
        is_heavy = random.random() < of.heavy_share
        user = int(random.integers(of.heavy) if is_heavy else of.heavy + random.integers(of.users - of.heavy))
        if of.crowds and random.random() < 1 / of.crowds:
            crowd, left = caption(int(random.integers(of.subjects))), int(random.integers(of.crowd[0], of.crowd[1] + 1))
        left -= left > 0
        if left and random.random() < of.crowd_share:
            key = crowd
        elif user in latest and random.random() < of.again[not is_heavy]:
            key = latest[user]
            if random.random() < of.edited:
                key = caption(key // of.captions)
        else:
            key = caption(int(ranks[drawn[i]]))
        keys[i], owners[i] = key, user
        latest[user] = key
    return trace_of_keys(keys, owners, keys // of.captions)


def popular(seed: int, requests: int = 20_000, keys: int = 6_000, exponent: float = 0.9, users: int = 400) -> Trace:
    """Return requests for keys by a Zipf law that stays as it is, each independent of the others."""
    random = np.random.default_rng(seed)
    drawn = random.permutation(keys)[random.choice(keys, requests, p=zipf(keys, exponent))]
    return trace_of_keys(drawn, random.integers(users, size=requests), drawn)


def scan(seed: int, requests: int = 20_000, hot: int = 200, share: float = 0.3) -> Trace:
    """Return requests for keys that are asked for once, and between them for a few that are asked for often."""
    random = np.random.default_rng(seed)
    often = random.choice(hot, requests, p=zipf(hot, 0.6))
    drawn = np.where(random.random(requests) < share, often, hot + np.arange(requests))
    return trace_of_keys(drawn, random.integers(50, size=requests), drawn)


def joined(traces: Sequence[Trace]) -> Trace:
    """Return traces one after the other; they have no keys and no groups in common."""
    step = np.int64(10**9)
    keys = np.concatenate([trace.key + step * place for place, trace in enumerate(traces)])
    groups = np.concatenate([np.where(t.group != 0, t.group + step * place, 0) for place, t in enumerate(traces)])
    columns = {name: np.concatenate([getattr(t, name) for t in traces]) for name in ("size", "seconds", "owner")}
    return Trace.of(keys, group=groups, **columns)


def zipf(count: int, exponent: float) -> NDArray[np.float64]:
    """Return the probabilities of ranks by a Zipf law, shape (count,)."""
    shares = np.arange(1, count + 1) ** -exponent
    return np.asarray(shares / shares.sum())


def trace_of_keys(keys: Numbers, owners: Numbers, groups: Numbers) -> Trace:
    """Return a trace; digests are from 1, and a group that is the key itself is none."""
    own = np.zeros_like(groups) if np.array_equal(keys, groups) else groups + 1
    return Trace.of(keys + 1, size=BYTES, seconds=SECONDS, owner=owners + 1, group=own)


def drifting(seed: int, requests: int = 12_000) -> Trace:
    """Return requests of people, then for popular keys, then a scan, then of other people."""
    third = requests // 3
    half, rest = third // 2, requests - 2 * third
    return joined([people(seed, third), popular(seed + 1, half), scan(seed + 2, third - half), people(seed + 3, rest)])

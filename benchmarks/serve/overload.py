"""More than can be done: who is served, how late, at which quality, and what those are told who are not."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from benchmarks.serve.server import Server
from evocache import zoo


@dataclass(frozen=True)
class Sent:
    """A request and what became of it.

    Attributes:
        at: seconds from the beginning until it was sent.
        user: whose it was.
        status: of HTTP; 0 if there was no answer.
        seconds: until the answer.
        quality: predicted of what it got; None for uncached, or no picture.
        retry_after: seconds that it was told to wait.
    """

    at: float
    user: str
    status: int
    seconds: float
    quality: float | None = None
    retry_after: float | None = None


def load(
    server: Server,
    rate: float,
    seconds: float,
    users: Mapping[str, float],
    *,
    keys: Mapping[str, str] | None = None,
    **body: Any,
) -> list[Sent]:
    """Send requests at random times, as many as a rate says on average, and wait for all answers.

    Args:
        server: asked.
        rate: requests a second.
        seconds: for which requests are sent.
        users: parts of the requests by user.
        keys: API keys of users; users are named in the body without.
        body: of each request besides.
    """
    return asyncio.run(_load(server, rate, seconds, users, keys or {}, body))


async def _load(
    server: Server,
    rate: float,
    seconds: float,
    users: Mapping[str, float],
    keys: Mapping[str, str],
    besides: Mapping[str, Any],
) -> list[Sent]:
    draw = random.Random(0)
    prompts = zoo.find("zoo:emoji").demo_prompts
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    began = perf_counter()
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:

        async def send(number: int) -> Sent:
            at, user = perf_counter() - began, draw.choices(list(users), list(users.values()))[0]
            body = {"prompt": prompts[number % len(prompts)], "seed": number, "cache": "off", **besides}
            headers = {"authorization": f"Bearer {keys[user]}"} if user in keys else {}
            given = body if user in keys else {**body, "user": user}
            try:
                answer = await client.post(f"{server.address}/v1/images/generations", json=given, headers=headers)
            except httpx.TransportError:
                return Sent(at, user, 0, perf_counter() - began - at)
            took = perf_counter() - began - at
            if answer.status_code != 200:
                wait = answer.headers.get("retry-after")
                return Sent(at, user, answer.status_code, took, retry_after=None if wait is None else float(wait))
            account = (await asyncio.to_thread(answer.json))["evocache"]["pictures"][0]
            return Sent(at, user, 200, took, account.get("quality"))

        sending = []
        next_at, number = 0.0, 0
        while next_at < seconds:
            await asyncio.sleep(max(0.0, next_at - (perf_counter() - began)))
            sending.append(asyncio.create_task(send(number)))
            next_at += draw.expovariate(rate)
            number += 1
        return list(await asyncio.gather(*sending))


def describe(sent: list[Sent], generation: float) -> dict[str, Any]:
    """Return who was served and how.

    Args:
        sent: all requests.
        generation: seconds of an uncached one alone.
    """
    served = [one for one in sent if one.status == 200]
    times = [one.seconds for one in served] or [0.0]
    quality = [one.quality for one in served if one.quality is not None]
    waits = [one.retry_after for one in sent if one.retry_after is not None]
    users = sorted({one.user for one in sent})
    return {
        "sent": len(sent),
        "served": len(served),
        "share served": round(len(served) / max(1, len(sent)), 3),
        "statuses": dict(sorted(Counter(str(one.status) for one in sent).items())),
        "share served by user": {
            user: round(float(np.mean([one.status == 200 for one in sent if one.user == user])), 3) for user in users
        },
        "seconds": {name: round(float(np.quantile(times, q)), 2) for name, q in (("p50", 0.5), ("p99", 0.99))},
        "p99, generations": round(float(np.quantile(times, 0.99)) / generation, 2),
        "predicted quality, dB": round(float(np.median(quality)), 1) if quality else None,
        "longest Retry-After": max(waits, default=None),
    }

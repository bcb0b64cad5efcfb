"""Eight clients at once against one after the other, and against the same server without joint computing and caches."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import httpx

from benchmarks.serve.server import Server
from benchmarks.timing import summarise
from evocache import zoo

CLIENTS = 8


def compare(servers: Mapping[str, Server], rounds: int, **body: Any) -> dict[str, Any]:
    """Return what eight clients of servers take together, by what one client takes that asks for the same in turn.

    Args:
        servers: by name; the first one is asked by one client as well.
        rounds: of all of them, interleaved.
        body: of each request besides.
    """
    prompts = zoo.find("zoo:emoji").demo_prompts
    first = next(iter(servers))
    seconds: dict[str, list[float]] = {"in turn": [], **{name: [] for name in servers}}
    clock: dict[str, list[float]] = {name: [] for name in seconds}
    draw = random.Random(0)
    with httpx.Client(timeout=300) as client, ThreadPoolExecutor(CLIENTS) as pool:

        def ask(server: Server, seed: int) -> None:
            server.generate(client, prompts[seed % len(prompts)], seed=seed, cache="off", **body)

        def round_of(name: str, seed: int) -> None:
            server = servers[first if name == "in turn" else name]
            before, began = server.processors(), perf_counter()
            seeds = range(seed, seed + CLIENTS)
            if name == "in turn":
                for one in seeds:
                    ask(server, one)
            else:
                list(pool.map(lambda one: ask(server, one), seeds))
            seconds[name].append(server.processors() - before)
            clock[name].append(perf_counter() - began)

        for name in seconds:
            round_of(name, 0)
        for values in (*seconds.values(), *clock.values()):
            values.clear()
        for number in range(rounds):
            for name in draw.sample(sorted(seconds), len(seconds)):
                round_of(name, 100 * (number + 1))
    found: dict[str, Any] = {}
    for name in seconds:
        ratios = [one / other for one, other in zip(seconds["in turn"], seconds[name], strict=True)]
        by_clock = [one / other for one, other in zip(clock["in turn"], clock[name], strict=True)]
        found[name] = {
            "processor seconds": summarise(seconds[name], 3),
            "times the throughput": summarise(ratios, 3),
            "times the throughput by the clock": summarise(by_clock, 3),
        }
    return found

"""Another server, run from outside this repository: the example server of diffusers."""

from __future__ import annotations

import random
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from benchmarks.serve.server import Server, running, serving
from benchmarks.serve.together import CLIENTS
from benchmarks.timing import summarise
from evocache import zoo

WAYS = ("one client", "eight clients")


def compare(command: str, rounds: int) -> dict[str, Any]:
    """Return processor seconds of eight requests, of another server by those of this one.

    Both make zoo:emoji's pictures of 20 steps; this one uncached, and at its own choice.

    Args:
        command: starts the other server, which writes its address and answers at `/` when it is ready, and
            `POST /v1/images/generations` with `prompt` and `model`.
        rounds: of all of them, interleaved.
    """
    prompts = zoo.find("zoo:emoji").demo_prompts
    bodies = {"peer": {}, "evocache, uncached": {"speedup": 1, "cache": "off"}, "evocache": {"cache": "off"}}
    seconds: dict[str, list[float]] = {f"{name}, {way}": [] for name in bodies for way in WAYS}
    draw = random.Random(0)
    with (
        running(shlex.split(command), "/") as peer,
        serving() as own,
        httpx.Client(timeout=300) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):

        def ask(server: Server, at: int, body: dict[str, Any]) -> None:
            asked = {"prompt": prompts[at % len(prompts)], "model": "zoo:emoji", **body}
            if server is peer:
                client.post(f"{server.address}/v1/images/generations", json=asked).raise_for_status()
            else:
                server.generate(client, asked.pop("prompt"), **asked)

        for number in range(rounds + 1):  # the first is not counted
            for name in draw.sample([*seconds], len(seconds)):
                who, _, way = name.rpartition(", ")
                server = peer if who == "peer" else own
                before = server.processors()
                if way == "one client":
                    for at in range(CLIENTS):
                        ask(server, at, bodies[who])
                else:
                    list(pool.map(lambda at: ask(server, at, bodies[who]), range(CLIENTS)))  # noqa: B023
                if number:
                    seconds[name].append(server.processors() - before)
    found: dict[str, Any] = {name: {"processor seconds": summarise(values, 3)} for name, values in seconds.items()}
    for name in seconds:
        ratios = [one / two for one, two in zip(seconds["peer, one client"], seconds[name], strict=True)]
        found[name]["times the peer's throughput, one client"] = summarise(ratios, 3)
    return found

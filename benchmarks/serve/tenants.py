"""Whether a tenant can tell by the time of an answer what another one has asked for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from time import perf_counter
from typing import Any

import httpx

from benchmarks.serve.server import Server, serving
from benchmarks.timing import summarise

ASKED = 4
"""Requests of each kind in a round."""


def compare(rounds: int) -> dict[str, Any]:
    """Return the seconds of a tenant's requests that another one asked for before, and of such that nobody did.

    What a tenant has asked for itself is measured besides, to show what there would be to see.

    Args:
        rounds: of `ASKED` requests of each kind, in an order drawn at random.
    """
    draw = random.Random(0)
    seconds: dict[str, list[float]] = {"asked by another tenant": [], "asked by nobody": [], "asked by itself": []}
    with tempfile.TemporaryDirectory() as folder:
        keys = {tenant: _create_key(folder, tenant) for tenant in ("one", "other")}
        with serving("--folder", folder) as server, httpx.Client(timeout=120) as client:
            for number in range(rounds + 1):  # the first is not counted
                kinds = draw.sample([*seconds] * ASKED, ASKED * len(seconds))
                prompts = [f"fox {number} {at}" for at in range(len(kinds))]
                for kind, prompt in zip(kinds, prompts, strict=True):
                    if kind != "asked by nobody":
                        _ask(server, client, keys["one" if kind == "asked by another tenant" else "other"], prompt)
                for kind, prompt in zip(kinds, prompts, strict=True):
                    took = _ask(server, client, keys["other"], prompt)
                    if number:
                        seconds[kind].append(took)
    medians = {kind: summarise(values, 3) for kind, values in seconds.items()}
    other, nobody = (medians[f"asked by {who}"]["median"] for who in ("another tenant", "nobody"))
    return {"seconds": medians, "another tenant's by nobody's": round(other / nobody, 3)}


def _create_key(folder: str, tenant: str) -> str:
    command = [sys.executable, "-m", "evocache.cli", "keys", "create", tenant, "--tenant", tenant, "--folder", folder]
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)
    found: str = json.loads(done.stdout)["secret"]
    return found


def _ask(server: Server, client: httpx.Client, key: str, prompt: str) -> float:
    client.headers["authorization"] = f"Bearer {key}"
    began = perf_counter()
    server.generate(client, prompt, seed=5)
    return perf_counter() - began

"""Measure the server through HTTP, and write `results/serve.json`.

    python -m benchmarks.serve [--rounds 5] [--only alone together overload loadgen tenants peer] [--seconds 300]

Processor seconds are those of the server and its workers, read from the system, interleaved with what they are held
against; the client's are not counted. The model is zoo:emoji, on one thread a worker.

- *alone*: one request at a time, uncached, against the plain pipeline in this process; and a stored result.
- *together*: eight clients at once against one, and the same server with one generation at a time.
- *overload*: twice and ten times what eight clients get done, arrivals at random, for `--seconds` each; then six times,
  of which one user sends nine tenths. *Static*: ten times for those who take nothing less than the front's best point,
  so that the server can only turn them away.
- *loadgen*: MLPerf's LoadGen, where it is installed, a minute each: SingleStream, and Server at .7 of what eight
  clients get done, without and with stored results. MLPerf-style, and not compliant.
- *tenants*: whether a tenant can tell by an answer's time what another has asked for.
- *peer*: another server that makes the same pictures, such as the example server of diffusers, if `--peer` starts one.
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from typing import Any

import httpx
import torch

from benchmarks.environment import RESULTS, write
from benchmarks.serve import alone, overload, peer, tenants, together
from benchmarks.serve.server import Server, serving

PARTS = ("alone", "together", "overload", "loadgen", "tenants", "peer")


def measure_capacity(server: Server) -> dict[str, float]:
    """Return the seconds of an uncached generation alone, and how many requests a second eight clients get done."""
    with httpx.Client(timeout=120) as client:
        one = server.generate(client, "fox", speedup=1, cache="off")["seconds"]["compute"]
    eight = together.compare({"eight clients": server}, 3)["eight clients"]
    rate = together.CLIENTS / eight["processor seconds"]["median"]
    return {"seconds of a generation": round(one, 3), "requests a second": round(rate, 3)}


def overloaded(seconds: float) -> dict[str, Any]:
    """Return what becomes of requests when more come than can be done."""
    found: dict[str, Any] = {}
    even = {f"user {at}": 1.0 for at in range(8)}
    greedy = {"greedy": 9.0, **{f"user {at}": 1 / 7 for at in range(7)}}
    with serving() as server:
        capacity = found["capacity"] = measure_capacity(server)
        generation, rate = capacity["seconds of a generation"], capacity["requests a second"]
        best = httpx.get(f"{server.address}/v1/models").json()["data"][0]["evocache"]["points"][0]["quality"]
        loads: list[tuple[str, float, dict[str, float], dict[str, Any]]] = [
            ("2 times", 2, even, {}),
            ("10 times", 10, even, {}),
            ("10 times, static", 10, even, {"quality": best}),
            ("6 times, one user", 6, greedy, {}),
        ]
        for name, times, users, body in loads:
            before = server.resident()
            sent = overload.load(server, times * rate, seconds, users, **body)
            found[name] = overload.describe(sent, generation)
            found[name]["megabytes grown"] = round((server.resident() - before) / 1e6, 1)
            after = overload.load(server, 0.25 * rate, 20, even)
            late = [one for one in after if one.at > 10]
            found[name]["qualities from ten seconds after"] = sorted({str(one.quality) for one in late})
            print(name, json.dumps(found[name]), flush=True)
    found["served at 10 times, by static"] = round(found["10 times"]["served"] / found["10 times, static"]["served"], 2)
    return found


def loaded(seconds: float) -> dict[str, Any]:
    """Return what LoadGen finds; why it was not run, where it is not installed."""
    if find_spec("mlperf_loadgen") is None:
        return {"skipped": "mlcommons-loadgen is not installed"}
    from benchmarks.serve import loadgen

    with serving() as server:
        capacity = measure_capacity(server)
        rate, bound = 0.7 * capacity["requests a second"], 5 * capacity["seconds of a generation"]
        return {
            f"{scenario}, cache {cache}": loadgen.run(
                server, scenario, cache=cache, seconds=seconds, rate=rate, bound=bound
            )
            for scenario in ("SingleStream", "Server")
            for cache in ("off", "use")
        }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=300.0, help="of each overload")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peer", help="command that starts another server")
    parser.add_argument("--name", default="serve")
    args = parser.parse_args()
    torch.set_num_threads(1)
    file = RESULTS / f"{args.name}.json"
    result: dict[str, Any] = json.loads(file.read_text()) if file.is_file() and set(args.only) < set(PARTS) else {}
    result.pop("environment", None)
    if "alone" in args.only:
        with serving() as server:
            result["alone"] = {
                "overhead": alone.overhead(server, args.rounds),
                "exact": alone.exact(server, args.rounds),
            }
        print(json.dumps(result["alone"]), flush=True)
    if "together" in args.only:
        with serving() as server, serving("--open", "1") as single:
            servers = {"eight clients": server, "eight clients, one generation at a time": single}
            uncached = together.compare(servers, args.rounds, speedup=1)
            result["together"] = {
                "uncached": uncached,
                "at the server's choice": together.compare(servers, args.rounds),
            }
        print(json.dumps(result["together"]), flush=True)
    if "overload" in args.only:
        result["overload"] = overloaded(args.seconds)
    if "loadgen" in args.only:
        result["loadgen"] = loaded(min(60.0, args.seconds))
        print(json.dumps(result["loadgen"]), flush=True)
    if "tenants" in args.only:
        result["tenants"] = tenants.compare(args.rounds)
        print(json.dumps(result["tenants"]), flush=True)
    if "peer" in args.only:
        skipped = {"skipped": "no --peer was given"}
        result["peer"] = skipped if args.peer is None else peer.compare(args.peer, args.rounds)
        print(json.dumps(result["peer"]), flush=True)
    write(args.name, result)


if __name__ == "__main__":
    main()

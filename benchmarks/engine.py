"""What the engine gains over one request after the other, and what it costs.

    python -m benchmarks.engine [--rounds 5] [--models zoo:emoji zoo:emoji-unet zoo:emoji-motion] [--threads 1]

All in processor seconds of this process, paired: each round runs the requests one after the other through the plain
pipeline, and at once through the engine, which first is drawn; the ratio is taken within the round. Medians and
quartiles of rounds. Kinds of calls are proved before the first round.

- *equal*: eight requests of one schedule. *different*: of 12 to 28 steps, under four points of the front.
- *40 dB*: eight requests under the fastest point of the front of at least 40 dB, against uncached ones.
- *alone*: requests through the engine, each when the one before is over, against plain calls; in an engine that has
  done nothing else, and in one that has done all the rest.
- *cancel*: seconds from a job's cancellation to the end of the next turn of another, in seconds of a step.
- *video*: seconds of pictures' requests, one after the other, while a video of 16 frames is made, and without; the
  video is another user's, or the same one's.

Videos have six steps where throughput is measured: they take seconds each.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.environment import write
from benchmarks.timing import summarise, take
from evocache import apply, zoo
from evocache.schedule.front import Front
from evocache.serve.engine import Engine
from evocache.serve.engine.job import Job
from evocache.tables import Column, plain, table

CLIENTS = 8
STEPS = {"zoo:emoji-motion": {"num_inference_steps": 6}}
"""Arguments of calls of a model besides."""

CACHED = {"zoo:emoji": "fora:2", "zoo:emoji-unet": "deepcache:2", "zoo:emoji-motion": "deepcache:2"}
FLOOR = 40.0

Request = tuple[Any, dict[str, Any]]
"""What is applied, and the arguments of the call."""


def call(model: str, seed: int, **arguments: Any) -> dict[str, Any]:
    """Arguments of a request: another prompt for each seed, latents out."""
    prompts = zoo.find(model).demo_prompts
    generator = torch.Generator().manual_seed(seed)
    return {"prompt": prompts[seed % len(prompts)], "generator": generator, "output_type": "latent", **arguments}


def serially(pipe: Any, requests: Sequence[Request]) -> None:
    """Make requests one after the other through the plain pipeline."""
    for what, arguments in requests:
        if what == "none":
            pipe(**arguments)
            continue
        with apply(pipe, what):
            pipe(**arguments)


def at_once(engine: Engine, requests: Sequence[Request]) -> None:
    """Make requests at once through an engine."""
    jobs = [engine.submit(what=what, **arguments) for what, arguments in requests]
    for job in jobs:
        job.result()


def in_turn(engine: Engine, requests: Sequence[Request]) -> None:
    """Make requests through an engine, each when the one before is over."""
    for what, arguments in requests:
        engine.submit(what=what, **arguments).result()


Ask = Callable[[], Sequence[Request]]
"""Makes requests anew: their generators are drawn from once."""


Through = Callable[[Engine, Sequence[Request]], None]
"""Makes requests through an engine."""


def compare(
    pipe: Any, engine: Engine, plainly: Ask, asked: Ask, rounds: int, through: Through = at_once
) -> dict[str, Any]:
    """Return how many times the processor seconds of the engine the plain pipeline takes."""
    through(engine, asked())
    serially(pipe, plainly())
    runs: Mapping[str, Callable[[], None]] = {
        "serial": lambda: serially(pipe, plainly()),
        "engine": lambda: through(engine, asked()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    draw = random.Random(0)
    for _ in range(rounds):
        for name in draw.sample(sorted(runs), len(runs)):
            seconds[name].append(take(runs[name]).processors)
    ratios = [one / other for one, other in zip(seconds["serial"], seconds["engine"], strict=True)]
    return {
        "times the throughput": summarise(ratios, 3),
        **{f"{name} seconds": summarise(values, 3) for name, values in seconds.items()},
    }


def throughput(model: str, rounds: int) -> dict[str, Any]:
    """Return what a closed loop of equal and of different requests gains."""
    pipe = zoo.load(model)
    pipe.set_progress_bar_config(disable=True)
    front = zoo.find(model).front
    found: dict[str, Any] = {}
    with Engine({model: pipe}) as engine:

        def run(name: str, plainly: Ask, asked: Ask, through: Through = at_once) -> None:
            found[name] = compare(pipe, engine, plainly, asked, rounds, through)
            print(model, name, found[name]["times the throughput"], flush=True)

        def equal(what: str) -> Ask:
            return lambda: [(what, call(model, seed, **STEPS.get(model, {}))) for seed in range(CLIENTS)]

        def alone(when: str) -> None:
            for what in ("none", CACHED[model]):
                run(f"{when}, {'uncached' if what == 'none' else what}", equal(what), equal(what), in_turn)

        alone("alone")
        run("equal, uncached", equal("none"), equal("none"))
        run(f"equal, {CACHED[model]}", equal(CACHED[model]), equal(CACHED[model]))
        if front.is_file():
            points = sorted(Front.load(front), key=lambda point: point.measured["quality"])
            full = [point.schedule for point in points if point.schedule.steps == 20][-4:]
            steps = (12, 14, 16, 18, 20, 22, 24, 28)

            def different() -> list[Request]:
                schedules = [full[at % len(full)].resampled(count) for at, count in enumerate(steps)]
                return [
                    (schedule, call(model, seed, num_inference_steps=schedule.steps))
                    for seed, schedule in enumerate(schedules)
                ]

            run("different", different, different)
            best = min((p for p in points if p.measured["quality"] >= FLOOR), key=lambda p: -p.measured["speedup"])

            def floored() -> list[Request]:
                return [(best.schedule, call(model, seed)) for seed in range(CLIENTS)]

            run("40 dB, against uncached", equal("none"), floored)
        alone("alone, after all others")
        found["figures"] = {"turns": engine.figures.turns, "calls": engine.figures.calls, **engine.figures.alone}
    return found


def cancelled(rounds: int) -> dict[str, Any]:
    """Return how long the next turn of another takes to end after a job is cancelled, in steps of both together."""
    model = "zoo:emoji"
    pipe = zoo.load(model)
    waits: list[float] = []
    with Engine({model: pipe}) as engine:
        for _ in range(rounds):
            moments: list[float] = []
            other = engine.submit(**call(model, 1, num_inference_steps=60), callback=_noting(moments))
            job = engine.submit(**call(model, 0, num_inference_steps=60))
            while len(moments) < 12:
                time.sleep(0.002)
            step = float(np.median(np.diff(moments[4:])))
            asked = time.perf_counter()
            job.cancel()
            while moments[-1] <= asked:
                time.sleep(0.001)
            waits.append((next(moment for moment in moments if moment > asked) - asked) / step)
            other.cancel()
            other._ended.wait(60)
    return {"steps until the next turn of another ends": summarise(waits, 2)}


def _noting(moments: list[float]) -> Callable[..., None]:
    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        moments.append(time.perf_counter())

    return callback


def beside_video(pictures: int, owner: str) -> dict[str, Any]:
    """Return how long pictures take beside a video of a user, and without one."""
    still, moving = zoo.load("zoo:emoji"), zoo.load("zoo:emoji-motion")
    with Engine({"still": still, "moving": moving}) as engine:

        def respond(beside: Job | None = None) -> tuple[list[float], list[int]]:
            times, steps = [], []
            for seed in range(pictures):
                began, before = time.perf_counter(), beside.progress.step if beside else 0
                engine.submit(model="still", user="pictures", **call("zoo:emoji", seed)).result()
                times.append(time.perf_counter() - began)
                steps.append(beside.progress.step - before if beside else 0)
            return times, steps

        def film() -> Job:
            arguments = call("zoo:emoji-motion", 0, num_frames=16, num_inference_steps=1000)
            return engine.submit(model="moving", user=owner, **arguments)

        respond()
        apart, _ = respond()
        video = film()
        while video.progress.step < 2:
            time.sleep(0.05)
        together, steps = respond(video)
        video.cancel()
        alone = film()
        while alone.progress.step < 2:
            time.sleep(0.05)
        began, first = time.perf_counter(), alone.progress.step
        time.sleep(5)
        step = (time.perf_counter() - began) / max(1, alone.progress.step - first)
        alone.cancel()
    p99 = [float(np.quantile(times, 0.99)) for times in (apart, together)]
    return {
        "p99 of pictures, seconds": {"without a video": round(p99[0], 3), "beside one": round(p99[1], 3)},
        "median of pictures, seconds": {
            "without a video": round(float(np.median(apart)), 3),
            "beside one": round(float(np.median(together)), 3),
        },
        "seconds of a step of the video": round(step, 3),
        "p99 of pictures rises by, steps of the video": round((p99[1] - p99[0]) / step, 2),
        "steps of the video that begin while a picture is made": {
            "most": max(steps),
            "mean": round(float(np.mean(steps)), 2),
        },
        "pictures": pictures,
    }


def main() -> None:
    """Measure, print a table and write `results/engine.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=50, help="beside a video")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=list(CACHED))
    parser.add_argument("--name", default="engine", help="name of the result")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    models = {model: throughput(model, args.rounds) for model in args.models}
    rows = [
        [model, name, *(f"{case['times the throughput'][of]}" for of in ("median", "quartiles"))]
        for model, cases in models.items()
        for name, case in cases.items()
        if name != "figures"
    ]
    columns = [Column("model", room="keep"), Column("requests"), Column("times the throughput"), Column("quartiles")]
    print(plain(table(columns, rows)))
    result = {"rounds": args.rounds, "clients": CLIENTS, "models": models}
    result["cancel"] = cancelled(args.rounds)
    print(result["cancel"])
    result["video"] = {}
    for whose, owner in (("of another user", "somebody"), ("of the same user", "pictures")):
        result["video"][whose] = beside_video(args.pictures, owner)
        print(whose, result["video"][whose])
    write(args.name, result)


if __name__ == "__main__":
    main()

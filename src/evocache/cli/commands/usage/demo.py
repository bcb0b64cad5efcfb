"""`evocache usage demo`: a static LRU and a learning cache beside each other, on a workload that drifts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import InputError
from ...inputs.number_options import MAX_COUNT, MAX_SEED, check_finite
from ...ui.console import errors, out
from ...ui.waits import Waits

if TYPE_CHECKING:
    from .demo_race import Race

REQUESTS = 12_000

REFRESH = 6
"""Pictures a second."""


def demo(
    seconds: Annotated[
        float, typer.Option(callback=check_finite("--seconds", least=0), help="Length, about; 0 for no waiting.")
    ] = 60.0,
    out_: Annotated[Path | None, typer.Option("--out", "-o", help="The picture; usage-demo.png if not given.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seeds the requests.")] = 7,
    requests: Annotated[int, typer.Option(min=100, max=MAX_COUNT, hidden=True, help="Their number.")] = REQUESTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only, on stdout.")] = False,
) -> None:
    """Ask the same requests of a static LRU and of a learning cache at equal bytes, and watch both.

    Users have habits, interests drift, and crowds come and go. A stand-in answers at once and says what a small
    picture takes: 3,990 bytes and 0.8 seconds. Each cache may hold 1% of the bytes of all different answers.
    """
    from ....extras import installed, optional
    from ....usage.workloads import drifting
    from .demo_race import Race

    if out_ is not None:
        optional("matplotlib")  # what is asked for and cannot be done is told before a minute has passed
        if not out_.parent.is_dir():
            raise InputError(f"{str(out_)!r}, in no folder", "a file in a folder that is there", "choose another --out")
    with Waits() as wait:
        wait.predict("drawing requests, compiling what learns", 8)
        race = Race(drifting(seed, requests), seed)
        _warm()
    try:
        took = _watch(race, seconds)
        figures = measure(race, took)
        picture = out_ or Path("usage-demo.png")
        drawn = out_ is not None or installed("matplotlib")
        if drawn:
            _draw(race, picture)
    finally:
        race.close()
    if as_json:
        typer.echo(json.dumps({**figures, "picture": str(picture) if drawn else None}, indent=2))
        return
    _show(figures)
    if drawn:
        out().print(str(picture), markup=False, soft_wrap=True)
    else:
        errors().print('no picture: matplotlib is not installed; try: pip install "evocache[report]"', markup=False)


def _warm() -> None:
    """Compile what evolves weights, which would have the race stand still for seconds."""
    from ....usage.learn.adaptive import Adaptive
    from ....usage.learn.settings import Settings
    from ....usage.policies.simulate import simulate
    from ....usage.workloads import people

    settings = Settings(evolve_every=1000, generations=1, population=4)
    simulate(Adaptive(50_000, settings=settings), people(1, 1001))


def pacer(seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> Callable[[float], None]:
    """Return what waits until a part of the race is due, so that all of it takes so many seconds."""
    began = clock()

    def pace(part: float) -> None:
        ahead = began + part * seconds - clock()
        if ahead > 0.002:
            sleep(ahead)

    return pace


def _watch(race: Race, seconds: float) -> float:
    """Run the race, in view where there is a terminal; return the seconds that it took."""
    from rich.live import Live

    from .demo_display import Display

    console = errors()
    display = Display(race, seconds)
    began = time.monotonic()

    def shown() -> Any:
        display.elapsed = time.monotonic() - began
        return display.render(console.width, console.height - 1)

    pace = pacer(seconds, time.monotonic, time.sleep)
    if not console.is_terminal:
        for _ in race.run(pace):
            pass
    else:
        with Live(console=console, transient=True, get_renderable=shown, refresh_per_second=REFRESH):
            for _ in race.run(pace):
                pass
    return time.monotonic() - began


def measure(race: Race, took: float) -> dict[str, Any]:
    """Return what the race came to, as values that JSON can hold."""
    lru, learned = (lane.stats for lane in race.lanes)
    caches = {
        lane.name: {
            "hits": stats.hits,
            "hit_rate": stats.hit_rate,
            "seconds_saved": stats.seconds_saved,
            "evictions": stats.evictions,
        }
        for lane, stats in zip(race.lanes, (lru, learned), strict=True)
    }
    return {
        "requests": race.done,
        "max_bytes": race.max_bytes,
        "took": took,
        "caches": caches,
        "more_hits": learned.hits / lru.hits - 1 if lru.hits else None,
        "ahead_since": race.overtaken(),
        "decides": learned.decider,
        "decisions": [str(decision) for decision in learned.decisions],
    }


def _draw(race: Race, picture: Path) -> None:
    from ....report.figures.usage_plot import write_race
    from .demo_race import SPAN

    changes = [one.request for one in race.lanes[1].stats.decisions if one.before != one.after]
    rates = {"static LRU": race.rates(race.lanes[0]), "learning cache": race.rates(race.lanes[1])}
    points = [race.step * i for i in range(1, len(race.lanes[0].hits))]
    title = f"{race.max_bytes:,} bytes each, 1% of all answers"
    try:
        write_race(picture, points, rates, changes, window=race.step * SPAN, title=title)
    except OSError as error:
        why = (error.strerror or "cannot be written").lower()
        raise InputError(f"{str(picture)!r} ({why})", "a file that can be written", "choose another --out") from None


def _show(figures: dict[str, Any]) -> None:
    """Print the summary."""
    from ....tables import Column, table
    from .demo_display import name_decider

    columns = (
        Column("cache", style="cyan"),
        Column("hits", numeric=True),
        Column("hit rate", numeric=True),
        Column("seconds saved", numeric=True),
        Column("evictions", numeric=True, rank=1),
    )
    rows = [
        [name, f"{one['hits']:,}", f"{one['hit_rate']:.1%}", f"{one['seconds_saved']:,.0f}", f"{one['evictions']:,}"]
        for name, one in figures["caches"].items()
    ]
    console = out()
    title = f"{figures['requests']:,} requests, {figures['max_bytes']:,} bytes each"
    console.print(table(columns, rows, title, width=console.width))
    if figures["more_hits"] is not None:
        since = figures["ahead_since"]
        told = "it is not ahead" if since is None else f"ahead for good since request {since:,}"
        decided = f"{len(figures['decisions'])} decisions, now by {name_decider(figures['decides'])}"
        console.print(f"learned: {figures['more_hits']:+.0%} hits, {told}, {decided}", markup=False)
    said = "hit: answered from a stored result; seconds: what a stand-in says an answer takes, no real computing"
    console.print(said, style="dim", markup=False)

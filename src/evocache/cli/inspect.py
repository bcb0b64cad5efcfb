"""`evocache inspect`: what a model consists of, and what each part costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .call import example, settings
from .console import errors, out, progress
from .load import first_line, load_pipeline
from .nodes import Node, nodes

if TYPE_CHECKING:
    from rich.table import Table

    from ..memory.planner import Held
    from ..model import Model
    from ..model.probe import Measure, Probe
    from ..schedule import Component, Schedule


def inspect(
    model: Annotated[str, typer.Argument(help="Zoo name, folder of a diffusers pipeline, or hub id.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps of a generation.")] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Show every component, so many levels deep, instead of equal ones in one.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", "-s", metavar="FILE|SPEC", help="Also show what this schedule executes.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another argument of the pipeline's call.")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also show what a generation really holds, stage by stage; it is run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; every component, whatever the depth.")] = False,
    device: Annotated[str, typer.Option(help="Where to measure: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Show the component tree of a model, with shapes, bytes, and shares of FLOPs and time."""
    with progress() as bar:
        task = bar.add_task(f"loading {model}", total=None)
        pipe, defaults = load_pipeline(model, device=device, dtype=dtype)
        from ..model import discover

        found = discover(pipe)
        count = steps or int(defaults.get("num_inference_steps", 20))
        program = _schedule(found, schedule, count) if schedule else None
        bar.update(task, description="measuring")
        call = {**defaults, "num_inference_steps": program.steps if program else count}
        further = settings(set_ or [])
        probe = _probed(pipe, call, further)
        held = _held(pipe, found, example(pipe, call, further), program) if memory else {}
    view = _View(model, type(pipe).__name__, found, probe, program, program.steps if program else count, held)
    if as_json:
        typer.echo(json.dumps(view.document(), indent=2))
    else:
        view.print(depth)


def _schedule(model: Model, what: str, steps: int) -> Schedule:
    """The schedule for the model's tree; refused as `apply` refuses it."""
    from ..runtime.program import check, resolve

    program = resolve(what)
    check(program, model)
    return program.schedule(model.tree, max(steps, program.min_steps))


def _probed(pipe: Any, call: dict[str, Any], further: dict[str, Any]) -> Probe | None:
    """Measures, or None with a note where the pipeline wants more than a prompt."""
    from ..model.probe import probe_pipeline

    given = example(pipe, call, further)
    try:
        return probe_pipeline(pipe, given)
    except Exception as error:
        errors().print(
            f"not measured: {first_line(error)}; --set may give what the pipeline asks for",
            style="yellow",
            markup=False,
        )
        return None


def _held(pipe: Any, model: Model, call: dict[str, Any], schedule: Schedule | None) -> dict[str, Mapping[str, Held]]:
    """What is held in each stage, uncached and, if there is a schedule, under it."""
    from ..runtime import apply
    from ..runtime.measured import measured

    out: dict[str, Mapping[str, Held]] = {"uncached": measured(pipe, model, lambda: pipe(**call))}
    if schedule is not None:
        with apply(pipe, schedule, measure=True) as handle:
            pipe(**call)
            out[schedule.provenance.origin or "scheduled"] = handle.stats.stages
    return out


@dataclass(frozen=True)
class _View:
    """All that is shown, as a table or as JSON."""

    name: str
    pipeline: str
    model: Model
    probe: Probe | None
    schedule: Schedule | None
    steps: int
    held: Mapping[str, Mapping[str, Held]]

    def measure(self, component: Component) -> Measure | None:
        """What a component costs, if it was measured."""
        return self.probe.measures.get(component.id) if self.probe else None

    def total(self, what: str) -> float:
        """FLOPs or seconds of one call of every denoiser."""
        return self.sum(what, (c for c in self.model.tree if c.parent is None))

    def sum(self, what: str, components: Iterable[Component]) -> float:
        """FLOPs or seconds of components, their parts included."""
        found = [self.measure(c) for c in components]
        return sum(float(getattr(m, what) or 0) for m in found if m)

    def share(self, what: str, components: Iterable[Component]) -> float:
        """Share of FLOPs or seconds, in [0, 1]."""
        total = self.total(what)
        return self.sum(what, components) / total if total else 0.0

    def document(self) -> dict[str, Any]:
        """For machines; what was not measured is null."""
        counts = self.schedule.counts() if self.schedule else {}
        rows = []
        for c in self.model.tree:
            m = self.measure(c)
            row: dict[str, Any] = {"id": c.id, "kind": c.kind, "block": c.block, "parent": c.parent}
            row["shapes"] = [list(shape) for shape in m.shapes] if m else None
            row |= {name: getattr(m, name) if m else None for name in ("bytes", "flops", "seconds")}
            row |= {f"{name}_share": self.share(name, [c]) if m else None for name in ("flops", "seconds")}
            rows.append(row | ({"executed_steps": counts.get(c.id)} if self.schedule else {}))
        head = {"model": self.name, "pipeline": self.pipeline, "denoisers": self.model.classes, "steps": self.steps}
        held = {how: {s: h._asdict() for s, h in stages.items()} for how, stages in self.held.items()}
        return {
            **head,
            "schedule": self._program() if self.schedule else None,
            **({"memory": held} if held else {}),
            "components": rows,
        }

    def _program(self) -> dict[str, Any]:
        from ..schedule.liveness import peak_bytes

        assert self.schedule is not None
        found = {"origin": self.schedule.provenance.origin, "digest": self.schedule.digest, "steps": self.steps}
        cells = {"executed_fraction": self.schedule.executed_fraction()}
        if not self.probe:
            return {**found, **cells}
        costs = self.probe.exclusive("flops")
        cells["flops"] = self.schedule.cost(costs)
        cells["flops_fraction"] = self.schedule.executed_fraction(costs)
        return {**found, **cells, "peak_cached_bytes": peak_bytes(self.schedule, self.probe.sizes())}

    def print(self, depth: int | None) -> None:
        """For people: a table, and under it what a generation costs."""
        from ..report.tables import Column, in_bytes, in_flops, in_percent, in_seconds, table

        console = out()
        classes = ", ".join(f"{name}: {kind}" for name, kind in self.model.classes.items())
        console.print(f"[bold]{self.name}[/bold]  {self.pipeline}  [dim]{classes}[/dim]\n")
        columns = [
            Column("component", style="cyan", room="cut"),
            Column("", numeric=True),
            Column("kind", style="dim"),
            Column("output"),
        ]
        columns += [Column(name, numeric=True) for name in ("bytes", "FLOPs", "time")]
        columns += [Column("runs", numeric=True)] if self.schedule else []
        shown = nodes(self.model.tree, lambda c: m.shapes if (m := self.measure(c)) else None, depth)
        console.print(table(columns, [self._cells(node) for node in shown]))
        if self.probe:
            flops, seconds = self.total("flops"), self.total("seconds")
            console.print(
                f"\none denoiser call: {in_flops(flops)}, {in_seconds(seconds)}; {self.steps} steps:"
                f" {in_flops(flops * self.steps)}, {in_seconds(seconds * self.steps)}"
            )
        if self.schedule:
            facts = self._program()
            text = f"{facts['origin'] or facts['digest']}: {in_percent(facts['executed_fraction'])} of calls executed"
            if self.probe:
                text += f", {in_percent(facts['flops_fraction'])} of FLOPs ({in_flops(facts['flops'])}),"
                text += f" at most {in_bytes(facts['peak_cached_bytes'])} cached"
            console.print(text, markup=False)

        if self.held:
            console.print()
            console.print(self._memory())

    def _memory(self) -> Table:
        """What a generation holds, stage by stage."""
        from ..report.tables import Column, in_bytes, table

        columns = [Column("held at most", style="cyan"), Column("stage")]
        columns += [Column(name, numeric=True) for name in ("weights", "activations", "features", "together")]
        rows = [
            [how, stage, *map(in_bytes, (*parts, parts.bytes))]
            for how, stages in self.held.items()
            for stage, parts in stages.items()
        ]
        return table(columns, rows)

    def _cells(self, node: Node) -> list[str]:
        from ..report.tables import in_bytes, in_percent

        first, count = node.members[0], len(node.members)
        cells = ["  " * node.level + node.label, f"×{count}" if count > 1 else "", first.kind]
        m = self.measure(first)
        if m:
            cells += [", ".join("×".join(map(str, shape)) for shape in m.shapes), in_bytes(m.bytes)]
            cells += [in_percent(self.share(what, node.members)) for what in ("flops", "seconds")]
        else:
            cells += ["-"] * 4
        if self.schedule:
            runs = {self.schedule.counts().get(c.id, 0) for c in node.members}
            low, high = min(runs), max(runs)
            cells.append(f"{low}" if low == high else f"{low}-{high}")
        return cells

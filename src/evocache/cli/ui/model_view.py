"""What `evocache inspect` shows of a model: its component tree, what each part costs, what a schedule executes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...schedule.tree_table import Node, group_nodes
from .console import out
from .saved_work import count_work, describe_work, tabulate_work

if TYPE_CHECKING:
    from rich.table import Table

    from ...memory.planner.planner import Held
    from ...model import Model
    from ...model.probe import Measure, Probe
    from ...schedule import Component, Schedule


@dataclass(frozen=True)
class View:
    """All that is shown, as a table or as JSON."""

    name: str
    pipeline: str
    model: Model
    probe: Probe | None
    schedule: Schedule | None
    steps: int
    held: Mapping[str, Mapping[str, Held]]

    @property
    def timed(self) -> bool:
        """Whether times were measured, not only counted."""
        return self.probe is not None and all(m.seconds is not None for m in self.probe.measures.values())

    def measure(self, component: Component) -> Measure | None:
        """Return what a component costs, if it was measured."""
        return self.probe.measures.get(component.id) if self.probe else None

    def total(self, what: str) -> float:
        """Return the FLOPs or seconds of one call of every denoiser."""
        return self.sum(what, (c for c in self.model.tree if c.parent is None))

    def sum(self, what: str, components: Iterable[Component]) -> float:
        """Add up the FLOPs or seconds of components, their parts included."""
        found = [self.measure(c) for c in components]
        return sum(float(getattr(m, what) or 0) for m in found if m)

    def share(self, what: str, components: Iterable[Component]) -> float:
        """Return the share of FLOPs or seconds, in [0, 1]."""
        total = self.total(what)
        return self.sum(what, components) / total if total else 0.0

    def document(self) -> dict[str, Any]:
        """Return what is shown, for machines; what was not measured is null."""
        counts = self.schedule.counts() if self.schedule else {}
        rows = []
        for c in self.model.tree:
            m = self.measure(c)
            row: dict[str, Any] = {"id": c.id, "kind": c.kind, "block": c.block, "parent": c.parent}
            row["shapes"] = [list(shape) for shape in m.shapes] if m else None
            row |= {name: getattr(m, name) if m else None for name in ("bytes", "flops", "seconds")}
            row["flops_share"] = self.share("flops", [c]) if m else None
            row["seconds_share"] = self.share("seconds", [c]) if self.timed else None
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
        from ...schedule.liveness import compute_peak_bytes

        assert self.schedule is not None
        found = {"origin": self.schedule.provenance.origin, "digest": self.schedule.digest, "steps": self.steps}
        cells = {"executed_fraction": self.schedule.executed_fraction()}
        if not self.probe:
            return {**found, **cells}
        work = describe_work(count_work(self.schedule, self.probe))
        return {**found, **cells, **work, "peak_cached_bytes": compute_peak_bytes(self.schedule, self.probe.sizes())}

    def print(self, depth: int | None) -> None:
        """Print a table for people, and under it what a generation costs."""
        from rich.text import Text

        from ...tables import Column, in_bytes, in_flops, in_percent, in_seconds, table

        console = out()
        classes = ", ".join(f"{name}: {kind}" for name, kind in self.model.classes.items())
        console.print(Text.assemble((self.name, "bold"), f"  {self.pipeline}  ", (classes, "dim"), "\n"))
        columns = [
            Column("component", style="cyan"),
            Column("", numeric=True),
            Column("kind", style="dim", rank=1),
            Column("output", rank=2),
        ]
        columns += [Column(name, numeric=True) for name in ("bytes", "FLOPs", "time")]
        columns += [Column("runs", numeric=True)] if self.schedule else []
        shown = group_nodes(self.model.tree, lambda c: m.shapes if (m := self.measure(c)) else None, depth)
        console.print(table(columns, [self._cells(node) for node in shown], width=console.width))
        if self.probe:
            flops, seconds = self.total("flops"), self.total("seconds")
            once, often = (
                in_flops(flops * n) + (f", {in_seconds(seconds * n)}" if self.timed else "") for n in (1, self.steps)
            )
            console.print(f"\none denoiser call: {once}; {self.steps} steps: {often}")
        if self.schedule:
            facts = self._program()
            text = f"{facts['origin'] or facts['digest']}: {in_percent(facts['executed_fraction'])} of calls executed"
            if self.probe:
                text += f", {in_percent(facts['flops_fraction'])} of FLOPs ({in_flops(facts['flops'])}),"
                text += f" at most {in_bytes(facts['peak_cached_bytes'])} cached"
            console.print(text, markup=False)
            if self.probe:
                console.print()
                console.print(tabulate_work(count_work(self.schedule, self.probe), self.steps, console.width))
        if self.held:
            console.print()
            console.print(self._memory(console.width))

    def _memory(self, width: int) -> Table:
        """What a generation holds, stage by stage."""
        from ...tables import Column, in_bytes, table

        columns = [Column("held at most", style="cyan"), Column("stage")]
        columns += [Column(name, numeric=True) for name in ("weights", "activations", "features", "together")]
        rows = [
            [how, stage, *map(in_bytes, (*parts, parts.bytes))]
            for how, stages in self.held.items()
            for stage, parts in stages.items()
        ]
        return table(columns, rows, width=width)

    def _cells(self, node: Node) -> list[str]:
        from ...tables import in_bytes, in_percent

        first, count = node.members[0], len(node.members)
        cells = ["  " * node.level + node.label, f"×{count}" if count > 1 else "", first.kind]
        m = self.measure(first)
        if m:
            cells += [", ".join("×".join(map(str, shape)) for shape in m.shapes), in_bytes(m.bytes)]
            cells.append(in_percent(self.share("flops", node.members)))
            cells.append(in_percent(self.share("seconds", node.members)) if self.timed else "-")
        else:
            cells += ["-"] * 4
        if self.schedule:
            runs = {self.schedule.counts().get(c.id, 0) for c in node.members}
            low, high = min(runs), max(runs)
            cells.append(f"{low}" if low == high else f"{low}-{high}")
        return cells

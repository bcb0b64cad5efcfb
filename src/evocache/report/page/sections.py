"""The report's prose and tables as HTML; every text of a user or a file is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ...schedule.front.comparison import doubt, doubtful, in_the_same_time
from ...tables import in_bytes, in_figures, in_percent, in_seconds
from ...validation.held_out_split import SEEDS
from ...validation.proof_file import GROUPS
from ..run.run_contents import Contents, Entry
from .page_data import ORDER

TARGETS = (1.5, 2.0, 3.0, 4.0)
"""Speed-ups that the summary speaks of."""


def lead(contents: Contents) -> str:
    """What this is about, in a sentence or two."""
    basis, history = contents.basis, contents.history
    if basis is None:
        text = (
            "This run has not been proven yet: speed-ups are predicted, and quality is that on the prompts that were "
            "searched on. Evolve it to its end to have both measured."
        )
    else:
        text = (
            f"Schedules measured on {escape(basis.stands_on)}; speed by the clock, in {basis.rounds} rounds in "
            f"turn with the uncached pipeline. Quality: {escape(basis.quality)}, higher is better; bars are the "
            "middle half over prompts and over rounds."
        )
    if history is not None and history.generations:
        last = history.generations[-1]
        text += f" The search evaluated {last.schedules} schedules in {last.number} generations, {last.seconds:.0f} s."
    if history is not None and history.failures:
        text += f" {escape(history.failed)}."
    return " ".join([text, *(f"<strong>{escape(_sentence(said))}</strong>" for said in contents.noise)])


def _sentence(text: str) -> str:
    """A text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def summary(contents: Contents) -> str:
    """At several speed-ups: the best of the front and of the policies, and fewer steps in that time; the best bold."""
    if not contents.proven:
        return ""
    groups = [group for group in ("front", "seed", "steps") if contents.group(group)]
    rows = []
    for target in TARGETS:
        best = [_best(contents, group, target) for group in groups]
        most = max((found[0] for found in best if found), default=None)
        if most is not None:
            rows.append([f"at least {target:g}x", *(_cell(found, most) for found in best)])
    if not rows:
        return ""
    unit = f" ({escape(contents.unit)})" if contents.unit else ""
    return _table(["", *(f"{GROUPS[group]}{unit}" for group in groups)], [rows])


def _cell(found: tuple[float, str] | None, most: float) -> str:
    """A quality and whose it is, bold if it is the best."""
    if found is None:
        return "–"
    text = in_figures(found[0]) + (f" ({escape(found[1])})" if found[1] else "")
    return f"<strong>{text}</strong>" if found[0] >= most else text


def sections(contents: Contents) -> str:
    """Everything below the explorer."""
    parts = [_search(contents), _cells(contents), _overfitting(contents), _memory(contents), _figures(contents)]
    return "\n".join([*parts, _basis(contents)])


def _best(contents: Contents, group: str, speedup: float) -> tuple[float, str] | None:
    """The best quality of a group at a speed-up, and whose it is; of what the clock can be believed of.

    Of fewer steps it is what is said beside every schedule: interpolated, and so of no one number of steps.
    """
    entries = [entry for entry in contents.group(group) if not doubtful(entry.figures)]
    if group == "steps":
        quality = in_the_same_time([(e.figures["speedup"], e.figures["quality"]) for e in entries], speedup)
        return None if quality is None else (quality, "")
    fast = [entry for entry in entries if entry.figures["speedup"] >= speedup]
    best = max(fast, key=lambda entry: entry.figures["quality"], default=None)
    return None if best is None else (best.figures["quality"], best.name)


def _section(id: str, title: str, *body: str) -> str:
    head = f'<section aria-labelledby="{id}-title"><h2 id="{id}-title">{title}</h2>'
    return "\n".join([head, *body, "</section>"])


def _plot(id: str, label: str, size: str = "medium") -> str:
    return f'<div id="{id}" class="plot {size}" role="img" aria-label="{label}"></div>'


def _search(contents: Contents) -> str:
    history = contents.history
    if history is None or not history.generations:
        return ""
    first, last = history.generations[0], history.generations[-1]
    label = f"Hypervolume, from {first.hypervolume:.3f} after the seeds to {last.hypervolume:.3f} at the end."
    note = (
        '<p class="note">Hypervolume: the share of the box around the seeds that the schedules dominate, over what was '
        f"spent on evaluating them. {label}</p>"
    )
    plot = [_plot("hypervolume", label)] if len(history.generations) > 1 else []
    return _section("search", "How the search went", note, *plot)


def _cells(contents: Contents) -> str:
    found = contents.importance
    if found is None:
        return ""
    note = (
        f'<p class="note">{found.schedules} evaluated schedules of {found.steps} steps, compared with others of about '
        "the same cost: how much more often the best quarter of them executes a cell than all of them do. Blue cells "
        "are worth their time, orange ones can be reused.</p>"
    )
    kinds = ", ".join(
        f"{kind} {in_percent(good)} against {in_percent(all_)}" for kind, (good, all_) in found.by_kind().items()
    )
    label = escape(f"Share of cells that good schedules execute, against all: {kinds}.")
    pair = f'<div class="pair">{_plot("cells", "Heat map of the same by cell.", "tall")}{_plot("kinds", label)}</div>'
    return _section("importance", "What good schedules compute", note, pair)


def _overfitting(contents: Contents) -> str:
    pairs = [e for e in contents.entries if contents.proven and "calibration quality" in e.figures]
    if not pairs:
        return ""
    own = [e for e in pairs if e.group == "front"]
    gaps = [e.figures["calibration quality"] - e.figures["quality"] for e in own]
    unit = f" {escape(contents.unit)}" if contents.unit else ""
    note = (
        '<p class="note">Marks below the line are better on the prompts and seeds that were searched on than on '
        f"{escape(contents.side)}. Policies were not searched: their distance from the line is what the choice of "
        f"{'seeds' if contents.basis is not None and contents.basis.held_out == SEEDS else 'prompts'} does alone."
        + (f" On average the front loses {in_figures(sum(gaps) / len(gaps))}{unit}." if gaps else "")
        + "</p>"
    )
    rows = [
        [
            escape(e.name),
            in_figures(e.figures["calibration quality"]),
            in_figures(e.figures["quality"]),
            f"{e.figures['quality'] - e.figures['calibration quality']:+.2f}",
        ]
        for e in pairs
    ]
    table = _table(["", "calibration", contents.head, "difference"], [rows])
    pair = f'<div class="halves">{_plot("overfitting", "Proven over calibration quality; see the table.")}{table}</div>'
    return _section("overfitting-section", f"Calibration and {contents.side}", note, pair)


def _memory(contents: Contents) -> str:
    if not any(entry.figures.get("memory") for entry in contents.entries):
        return ""
    whole = any("peak" in entry.figures for entry in contents.entries)
    what = (
        "Most bytes that one call of the timed prompts held: weights, activations, cached features and decoding."
        if whole
        else "Bytes of cached features at their peak, for one batch of the calibration."
    )
    note = f'<p class="note">{what}</p>'
    return _section(
        "memory-section", "Memory and quality", note, _plot("memory", "Quality over memory; see the table.")
    )


def _figures(contents: Contents) -> str:
    unit = f" ({escape(contents.unit)})" if contents.unit else ""
    heads = [
        "",
        "speed-up",
        "middle half",
        f"quality{unit}",
        "middle half",
        "calibration",
        "fewer steps",
        "cached",
        "peak",
        "predicted",
        "plan",
        "a prompt",
        "steps",
        "executed",
        "mark",
    ]
    bodies = []
    for group in ORDER:
        rows = contents.group(group)
        bodies.append([_row(entry, contents) for entry in rows])
    names = [[entry.name for entry in contents.group(group)] for group in ORDER]
    note = (
        '<p class="note">“Fewer steps”: quality of the uncached pipeline in at most the same time, between the nearest '
        "numbers of steps. “Executed”: calls of attention, feed-forward and the like, of those of the uncached "
        "pipeline. A row can be chosen, by click or by Enter.</p>"
    )
    return _section("figures-section", "All figures", note, _table(heads, bodies, names))


def _row(entry: Entry, contents: Contents) -> list[str]:
    figures = entry.figures

    def shown(name: str) -> str:
        return in_figures(figures[name]) if name in figures else ""

    def half(name: str, form: str) -> str:
        low, high = figures.get(f"{name} q1"), figures.get(f"{name} q3")
        return "" if low is None or high is None else f"{low:{form}} – {high:{form}}"

    exact = entry.group == "uncached" and contents.basis is not None and contents.basis.residual
    return [
        f'<span class="swatch" style="background:var(--{entry.group})"></span>{escape(entry.name)}',
        f"{figures['speedup']:.2f}x",
        half("speedup", ".2f"),
        "exact" if exact else shown("quality"),
        "" if exact else half("quality", ".2f"),
        shown("calibration quality"),
        shown("fewer steps quality"),
        in_bytes(figures["memory"]) if figures.get("memory") else "–",
        in_bytes(figures["peak"]) if "peak" in figures else "",
        in_bytes(figures["predicted peak"]) if "predicted peak" in figures else "",
        escape(entry.plan),
        in_seconds(figures["seconds"]) if "seconds" in figures else "",
        str(entry.schedule.steps) if contents.mixed and entry.schedule is not None else "",
        in_percent(contents.executed(entry.schedule)) if entry.schedule is not None else "",
        escape(f"beaten by {entry.by}" if entry.by else f"not handed out: {why}" if (why := doubt(figures)) else ""),
    ]


def _basis(contents: Contents) -> str:
    facts: dict[str, str] = {}
    basis, run = contents.basis, contents.history.run if contents.history else {}
    if basis is not None:
        facts["quality"] = f"{basis.quality}, on {basis.stands_on}"
        facts["clock"] = f"{basis.rounds} rounds of {basis.timed} prompts, decoding included, on {basis.device}"
        facts["clock"] += f", by {basis.clock}" if basis.clock else ""
        facts["proof"] = f"took {in_seconds(basis.seconds)}"
        if basis.versions:
            facts["versions"] = ", ".join(f"{name} {version}" for name, version in basis.versions.items())
        if basis.left_out:
            facts["not measured"] = "; ".join(basis.left_out)
    if contents.calibration is not None and contents.calibration.accuracy.checked:
        accuracy = contents.calibration.accuracy
        facts["latency model"] = (
            f"off by {accuracy.median:.1%} in the median and {accuracy.largest:.1%} at most, on {accuracy.checked} "
            "schedules that it was not fitted to"
        )
    if run:
        if "least steps" in run:
            facts["steps"] = f"{run['least steps']} to {run['steps']}, held against the uncached {run['steps']}"
        facts["objectives"] = ", ".join(["error", *map(str, run.get("objectives", ()))])
        facts["prompts searched on"] = "; ".join(map(str, run.get("prompts", ())))
        facts["settings"] = ", ".join(f"{k} {v}" for k, v in dict(run.get("settings", {})).items() if v is not None)
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return _section("basis-section", "How it was measured", f"<dl>{items}</dl>")


def _table(heads: Sequence[str], bodies: Iterable[Sequence[Sequence[str]]], names: Sequence[Sequence[str]] = ()) -> str:
    """A table of HTML cells, a body for each group; rows with names can be chosen. Empty columns are left out."""
    bodies = list(bodies)
    used = [i for i in range(len(heads)) if i == 0 or any(row[i] for rows in bodies for row in rows)]
    heads = [heads[i] for i in used]
    bodies = [[[row[i] for i in used] for row in rows] for rows in bodies]
    made = ["<tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr>"]
    parts = []
    for number, rows in enumerate(bodies):
        lines = []
        for i, row in enumerate(rows):
            name = f' data-name="{escape(names[number][i])}" tabindex="0"' if names else ""
            cells = f'<th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:])
            lines.append(f"<tr{name}>{cells}</tr>")
        parts.append(f"<tbody>{''.join(lines)}</tbody>" if lines else "")
    return f'<div class="scroll"><table><thead>{"".join(made)}</thead>{"".join(parts)}</table></div>'

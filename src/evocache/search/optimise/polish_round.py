"""A round of polishing: which designs have their gains polished in a generation, and what comes of it. Pure."""

from __future__ import annotations

import numpy as np

from ..genome.memory_genes import Design
from .archive import Archive
from .job import Asks, Job, job_of
from .polish import TURN, Polisher, turn_knobs


def polish_round(
    archive: Archive, polisher: Polisher, count: int, most_prompts: int, prompts: list[tuple[int, ...]]
) -> Asks[list[Design]]:
    """Polish some designs of a front and some changed ones.

    Args:
        archive: what was evaluated.
        polisher: chooses what is polished.
        count: how many are.
        most_prompts: on how many prompts.
        prompts: numbers of the prompts, by rung.

    Returns:
        Designs with better gains, not evaluated yet.
    """
    front = [design for design in archive.front() if not archive.is_uncached(design)]
    if not front:
        return []
    values = archive.table(front)
    schedules = [design.schedule for design in front]
    owner = {design.schedule.digest: design for design in reversed(front)}
    chosen = [owner[schedule.digest] for schedule in polisher.points(schedules, values, (count + 1) // 2)]
    bred = polisher.bred(schedules, values, count - len(chosen))
    litters = [[front[parent].with_schedule(child) for child in litter] for parent, litter in bred]
    litters = [kept for kept in ([d for d in litter if archive.is_within_limits(d)] for litter in litters) if kept]
    chosen += yield from _pick(archive, polisher, litters, front, prompts[0])
    chosen = list({design.evaluated: design for design in chosen}.values())
    turnable = [polisher.knobs(design.schedule) for design in chosen]
    some = tuple(p for rung in prompts for p in rung)[:most_prompts]
    answers = yield [
        Job(
            design.schedule,
            some,
            tuple(turn_knobs(design.schedule, [knob], [TURN]) for knob in knobs),
            design.genes.storage,
        )
        for design, knobs in zip(chosen, turnable, strict=True)
    ]
    better = [
        [design.with_schedule(schedule) for schedule in polisher.results(design.schedule, knobs, answer)]
        for design, knobs, answer in zip(chosen, turnable, answers, strict=True)
        if answer is not None
    ]
    return [design for designs in better for design in designs]


def _pick(
    archive: Archive, polisher: Polisher, litters: list[list[Design]], front: list[Design], prompts: tuple[int, ...]
) -> Asks[list[Design]]:
    """The one of each litter that is worth polishing, as it looks on a few prompts; none where time is up."""
    if not litters:
        return []
    answers = yield [job_of(design, prompts) for litter in litters for design in litter]
    if any(answer is None for answer in answers):
        return []
    means = iter([float(np.mean(answer)) for answer in answers if answer is not None])
    peers = archive.table(front, list(prompts))
    out = []
    for litter in litters:
        own = [(next(means), design) for design in litter]
        kept = [(mean, design) for mean, design in own if np.isfinite(mean)]
        if kept:
            values = np.array([(mean, *archive.price(design).values()) for mean, design in kept])
            out.append(kept[polisher.pick(values, peers)][1])
    return out

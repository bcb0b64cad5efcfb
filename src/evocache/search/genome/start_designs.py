"""Designs of what a user starts from. Pure."""

from __future__ import annotations

from ...errors import MismatchError
from ...schedule import Schedule
from ...schedule.front import Point
from .memory_genes import AS_IT_IS, Design, Genes
from .search_space import Space


def fit_design(given: Schedule | Point, space: Space) -> Design:
    """Return what to start from, with its own number of steps where the search may have it, else with that at hand.

    Raises:
        MismatchError: if it was made for another model.
    """
    schedule, genes = (given.schedule, Genes(given.storage)) if isinstance(given, Point) else (given, AS_IT_IS)
    if schedule.tree.components != space.tree.components:
        raise MismatchError(f"{schedule!r} to start from", "schedules for this model", "retarget them to the pipeline")
    fits = space.least is not None and space.least <= schedule.steps
    return Design(schedule if fits else schedule.resampled(space.steps), genes)

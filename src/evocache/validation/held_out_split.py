"""Which prompts a search sees, and which are kept from it so that it can be proven on them. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

PROMPTS = "prompts"
"""Prompts were held out: no schedule was ever judged by them during the search."""

SEEDS = "seeds"
"""Only seeds were: the search saw the same prompts with other seeds."""

UNKNOWN = ""
"""It was not noted, as in files of earlier versions."""

HEADS = {PROMPTS: "held-out", SEEDS: "new seeds", UNKNOWN: "proven on"}
"""What a column of figures that were proven is called."""

SIDES = {PROMPTS: "held-out prompts", SEEDS: "new seeds of the same prompts", UNKNOWN: "the prompts proven on"}
"""What an axis of such figures is of."""

LEAST = 4
"""Fewest prompts on either side of a split."""

SHARE = 4
"""One in so many prompts is held out where the caller does not say which."""


@dataclass(frozen=True)
class Split:
    """Prompts on both sides of a search.

    Attributes:
        searched: prompts that schedules are evolved on.
        proven: prompts that the front is proven on; the same ones where only seeds are held out.
        kind: what is held out, `prompts` or `seeds`.
        shared: how many prompts that were given as held out are searched on as well, and are left out for it.
    """

    searched: tuple[str, ...]
    proven: tuple[str, ...]
    kind: str
    shared: int = 0


def split_prompts(prompts: Sequence[str], held_out: Sequence[str] = (), most: int | None = None) -> Split:
    """Split prompts into those to search on and those to prove on; no prompt is on both sides.

    Prompts that differ in case or white space alone are the same. Of held-out prompts that are given, those that are
    searched on are taken away. Where none are given or left, the prompts beyond `most` are held out; where these are
    fewer than `LEAST`, one in `SHARE` of all, `LEAST` at least, evenly spread. With fewer than twice `LEAST` different
    prompts there is nothing to split, and only the seeds differ.

    Args:
        prompts: what is given to search on; repeats stay, on one side.
        held_out: what is given to prove on.
        most: how many prompts are searched on at most.
    """
    first = tuple(prompts if most is None else prompts[:most])
    seen = {normalise_prompt(prompt) for prompt in first}
    given = drop_repeats(held_out)
    own = tuple(prompt for prompt in given if normalise_prompt(prompt) not in seen)
    shared = len(given) - len(own)
    if own:
        return Split(first, own, PROMPTS, shared)
    beyond = tuple(prompt for prompt in drop_repeats(prompts) if normalise_prompt(prompt) not in seen)
    apart = drop_repeats(prompts)
    count = max(LEAST, len(apart) // SHARE)
    if len(beyond) < LEAST and len(apart) - count >= LEAST:
        taken = {normalise_prompt(apart[(2 * i + 1) * len(apart) // (2 * count)]) for i in range(count)}
        searched = tuple(prompt for prompt in prompts if normalise_prompt(prompt) not in taken)
        return Split(searched, tuple(p for p in apart if normalise_prompt(p) in taken), PROMPTS, shared)
    if beyond:
        return Split(first, beyond, PROMPTS, shared)
    return Split(first, first, SEEDS, shared)


def normalise_prompt(prompt: str) -> str:
    """Return what two prompts share if they ask for the same: letters, whatever their case and the space between."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def drop_repeats(prompts: Sequence[str]) -> tuple[str, ...]:
    """Return the prompts without those that ask for the same as an earlier one."""
    first: dict[str, str] = {}
    for prompt in prompts:
        first.setdefault(normalise_prompt(prompt), prompt)
    return tuple(first.values())


def describe_basis(kind: str, prompts: int) -> str:
    """Say what figures that were proven stand on."""
    if kind == PROMPTS:
        return f"{prompts} held-out prompts"
    if kind == SEEDS:
        return f"{prompts} prompts that were searched on, with new seeds: other prompts may fare worse"
    return f"{prompts} prompts, of which it was not noted whether they were held out"

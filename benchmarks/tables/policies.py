"""The policies that specs name, from what each says of itself: its name, usage, summary, paper and docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields

from evocache.policies import POLICIES, Gate, Policy

Kind = type[Policy] | type[Gate]


def static() -> str:
    """Return the policies whose schedule follows from the model alone."""
    return _table(_of("static"))


def calibrated() -> str:
    """Return the policies that read a calibration."""
    return _table(_of("calibrated"))


def gates() -> str:
    """Return the policies that decide while the pipeline runs."""
    return _table(_of("gates"))


def details() -> str:
    """Return a section for each policy: its parameters with their defaults, what it does, and where it comes from."""
    return "\n\n".join(_section(policy) for room in ("static", "calibrated", "gates") for policy in _of(room))


def _of(room: str) -> Iterator[Kind]:
    """The policies of a room of `evocache.policies`, in the order in which `evocache policies` lists them."""
    return (policy for policy in POLICIES.values() if policy.__module__.split(".")[-2] == room)


def _table(policies: Iterator[Kind]) -> str:
    lines = ["| spec | what it does | paper |", "|---|---|---|"]
    for policy in policies:
        name = f"[`{policy.usage}`](#{policy.name})"
        lines.append(f"| {name} | {policy.summary} | {_paper(policy)} |")
    return "\n".join(lines)


def _section(policy: Kind) -> str:
    text = inspect.getdoc(policy) or ""
    about, _, described = text.partition("\nAttributes:\n")
    source = _paper(policy)
    parts = [f"### {policy.name}", f"`{policy.usage}`" + (f" ({source})" if source else ""), about.strip()]
    parameters = _parameters(policy, described)
    return "\n\n".join([*parts, *(["\n".join(parameters)] if parameters else [])])


def _parameters(policy: Kind, described: str) -> list[str]:
    """A line for each parameter: its name, its default where it has one, and what its class says of it."""
    known = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", described, re.M))
    lines = []
    for field in fields(policy):
        if not field.repr:  # what stands for a file, which a spec cannot say
            continue
        default = "" if field.default in (MISSING, None, "") else f" ({_shown(field.default)} if not given)"
        text = " ".join(known.get(field.name, "").split())
        lines.append(f"- `{field.name}`{default}" + (f": {text}" if text else ""))
    return lines


def _shown(value: object) -> str:
    return "none" if value == () else f"{value}"


def _paper(policy: Kind) -> str:
    found = re.fullmatch(r"arXiv (\d{4}\.\d{4,5})", policy.paper)
    return f"[{policy.paper}](https://arxiv.org/abs/{found[1]})" if found else policy.paper

"""Tables of README.md, README.ko.md and docs/benchmarks.md, made of the committed results, and docs/policies.md.

    python -m benchmarks.tables

writes each table between the two comments that name it, `<!-- table NAME -->` and `<!-- end -->`. A test holds the
texts against the results.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from benchmarks.tables import engine, full_size, policies, serve, small, usage

RESULTS = ("README.md", "README.ko.md", "docs/benchmarks.md")
"""Pages whose tables are made of results."""

PAGES = (*RESULTS, "docs/policies.md")
BETWEEN = re.compile(r"(<!-- table ([\w-]+) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)

TABLES: Mapping[str, Callable[[], str]] = {
    "readme": small.readme,
    "readme-ko": small.readme_in_korean,
    "quality": small.quality,
    "search": small.search,
    "speed": small.speed,
    "equal": small.equal,
    "peers-quality": small.peers_quality,
    "peers-speed": small.peers_speed,
    "peers-steps-quality": small.peers_steps_quality,
    "peers-steps-speed": small.peers_steps_speed,
    "gpu": full_size.gpu,
    "memory": full_size.memory,
    "memory-gpu": full_size.memory_gpu,
    "memory-clock": full_size.memory_clock,
    "usage": usage.eviction,
    "usage-server": usage.server,
    "usage-ahead": usage.ahead,
    "engine": engine.throughput,
    "serve": serve.throughput,
    "policies-static": policies.static,
    "policies-calibrated": policies.calibrated,
    "policies-gates": policies.gates,
    "policies-details": policies.details,
}


def with_tables(text: str) -> str:
    """Return a page's text with the tables that it names made anew."""
    return BETWEEN.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)

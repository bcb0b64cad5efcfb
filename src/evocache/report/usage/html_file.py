"""The report of usage as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from datetime import datetime, timezone

from ...usage.patterns.report.contents import UsageReport
from ...usage.patterns.report.meaning import explain, tell_samples
from .. import page
from ..page.environment import make_environment, read_file
from . import usage_charts as charts
from . import usage_tables as tables


def render_usage_page(found: UsageReport, title: str, version: str = "") -> str:
    """Render a report of usage as a page, which is drawn in SVG and takes the colours of its reader's system.

    Templates escape whatever they are given; only the page's own styles pass as they are.

    Args:
        found: the report.
        title: whose usage it is, such as the name of a file.
        version: of evocache.

    Raises:
        DependencyError: if Jinja2 is not installed.
    """
    text: str = (
        make_environment(__package__, page.__name__)
        .get_template("usage.html.j2")
        .render(
            found=found,
            title=title,
            version=version,
            span=_span(found),
            meaning=explain(found),
            samples=tell_samples(found),
            day=charts.draw_day(found),
            times=charts.draw_times(found),
            working_set=charts.draw_working_set(found),
            known=charts.draw_known(found),
            hits=charts.draw_hits(found),
            curve=charts.draw_curve(found),
            kinds=tables.list_kinds(found),
            keys=tables.list_keys(found),
            groups=tables.list_groups(found),
            owners=tables.list_owners(found),
            gaps=tables.list_gaps(found),
            rooms=tables.compare_rooms(found),
            files={"page.css": read_file(page.__name__, "page.css"), "usage.css": read_file(__package__, "usage.css")},
        )
    )
    return text


def _span(found: UsageReport) -> str:
    """Return from when to when requests came; empty where that is not known, or a trace counts from its beginning."""
    if found.first is None or found.last is None or not found.dated:
        return ""
    first, last = (f"{datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d %H:%M}" for time in (found.first, found.last))
    return f"{first} to {last} UTC"

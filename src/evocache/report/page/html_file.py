"""The report as one HTML file that needs nothing else: no network, no font, no other file."""

from __future__ import annotations

from ...extras import optional
from ..run.run_contents import Contents
from .environment import make_environment, read_file
from .facts import list_facts
from .page_data import collect_plot_data
from .page_tables import compare_calibration, compare_speedups, list_figures


def render_page(contents: Contents) -> str:
    """Render a report as a page, with Plotly's code, the pictures and all figures within it.

    Templates escape whatever they are given; only the page's own style and scripts pass as they are.

    Raises:
        DependencyError: if Jinja2 or Plotly is not installed.
    """
    text: str = (
        make_environment(__package__)
        .get_template("page.html.j2")
        .render(
            contents=contents,
            version=contents.basis.versions.get("evocache", "") if contents.basis else "",
            speedups=compare_speedups(contents),
            overfitting=compare_calibration(contents),
            figures=list_figures(contents),
            facts=list_facts(contents),
            plot_data=collect_plot_data(contents),
            files=_own_files(),
        )
    )
    return text


def _own_files() -> dict[str, str]:
    """Read the style and the scripts that the page holds; they must not end the elements that they stand in."""
    texts = {name: read_file(__package__, name) for name in ("page.css", "page.js")}
    texts["plotly.js"] = optional("plotly.offline").get_plotlyjs().replace("</script", "<\\/script")
    return texts

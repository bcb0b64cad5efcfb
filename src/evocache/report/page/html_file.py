"""The report as one HTML file that needs nothing else: no network, no font, no other file."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

from ...extras import optional
from ..run.run_contents import Contents
from .page_data import data, embedded
from .sections import lead, sections, summary


def page(contents: Contents) -> str:
    """The page of a report, with Plotly's code, the pictures and all figures within it.

    Raises:
        DependencyError: if Plotly is not installed.
    """
    own = files(__package__)
    template = Template(own.joinpath("page.html").read_text("utf-8"))
    versions = contents.basis.versions if contents.basis else {}
    made_by = f"evocache {versions['evocache']}" if "evocache" in versions else "evocache"
    return template.substitute(
        title=escape(contents.title),
        css=own.joinpath("page.css").read_text("utf-8"),
        lead=lead(contents),
        summary=summary(contents),
        sections=sections(contents),
        footer=f"Written by {escape(made_by)}. This file needs no network.",
        data=embedded(data(contents)),
        plotly=optional("plotly.offline").get_plotlyjs().replace("</script", "<\\/script"),
        script=own.joinpath("page.js").read_text("utf-8"),
    )

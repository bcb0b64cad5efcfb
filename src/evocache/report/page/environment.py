"""How templates become a page: what they find, and that every text is escaped."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from ...extras import optional
from ...tables import in_figures, in_percent


def make_environment(*rooms: str) -> Any:
    """Make the environment of the templates of some rooms, in which each text is escaped and no name may be missing.

    Args:
        rooms: names of packages that have a folder `templates`; the first one that has a template is taken.

    Raises:
        DependencyError: if Jinja2 is not installed.
    """
    jinja2 = optional("jinja2")
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(room) for room in rooms]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    made.filters |= {"figures": in_figures, "percent": in_percent}
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return made


def read_file(room: str, name: str) -> str:
    """Read a file of a room, such as its style."""
    return files(room).joinpath(name).read_text("utf-8")

"""What notebooks show of an object: the text that `print` shows."""

from __future__ import annotations

from html import escape


class Displayed:
    """Mixin of classes whose `str` is a table or a few lines: notebooks show it as it is."""

    def _repr_html_(self) -> str:
        """Every character of the text stands for itself, also where it comes from a file of a stranger."""
        return f'<pre style="white-space:pre;line-height:1.3">{escape(str(self))}</pre>'

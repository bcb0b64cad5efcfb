"""Pixels as OpenAI writes them: `"auto"`, or width times height, such as `"1024x768"`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


def _check(text: str) -> str:
    if text != "auto" and not _SIZE.fullmatch(text):
        raise ValueError('expected "auto", or width times height such as "512x512"')
    return text


Size = Annotated[str, AfterValidator(_check)]


def sides(size: str | None) -> dict[str, int]:
    """Return the arguments of a pipeline's call for a size; none where it is `auto` or not given.

    >>> sides("1024x768")
    {'width': 1024, 'height': 768}
    """
    found = _SIZE.fullmatch(size or "")
    return {} if found is None else {"width": int(found[1]), "height": int(found[2])}

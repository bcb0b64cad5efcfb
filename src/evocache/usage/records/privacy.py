"""What may be kept of a request: its text, digests only, or figures only."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from ...errors import RecordError, short
from .event import Event

Privacy = Literal["text", "digest", "none"]
"""`text`: also the text, which is an opt-in; `digest`: no text; `none`: neither texts nor digests."""


def checked(privacy: str) -> Privacy:
    """Return the mode of that name.

    Raises:
        RecordError: if no mode has that name.
    """
    for mode in get_args(Privacy):
        if privacy == mode:
            return mode  # type: ignore[no-any-return]
    raise RecordError(f"privacy {short(privacy)}", "text, digest or none", "digest keeps no texts")


def reduce(event: Event, privacy: Privacy) -> Event:
    """Return an event without what may not be kept.

    Without digests nothing can be learned of keys, owners and groups; what was requested, when, and how it was
    answered is left.
    """
    if privacy == "digest" and event.text is not None:
        return replace(event, text=None)
    if privacy == "none" and (event.text is not None or event.key or event.owner or event.group):
        return replace(event, text=None, key=b"", owner=b"", group=b"")
    return event

"""What a tiny pipeline's call is given."""

from __future__ import annotations

from typing import Any

from tests.tiny.base import Tiny


class _Asked(BaseException):
    pass


class _Spy:
    """Stands in for a pipeline, and sees what its call is given."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.given: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    def __call__(self, **kwargs: Any) -> Any:
        self.given = kwargs
        raise _Asked


def arguments(tiny: Tiny, pipe: Any, **settings: Any) -> dict[str, Any]:
    """What a tiny pipeline's call is given, such as `seed=1, steps=4, guidance=True`."""
    spy = _Spy(pipe)
    try:
        tiny.call(spy, **settings)
    except _Asked:
        return spy.given
    raise AssertionError("the pipeline was not called")

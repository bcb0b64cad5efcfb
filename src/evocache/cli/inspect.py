"""Stub."""


def inspect() -> None:
    """Stub."""

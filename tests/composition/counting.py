"""Calls of a method, counted."""

from __future__ import annotations

from collections import Counter


def counting(monkeypatch, cls, method, key):
    """Count the calls of a method by what `key` makes of its arguments."""
    counts = Counter()
    original = getattr(cls, method)

    def counted(self, *args, **kwargs):
        counts[key(self, *args)] += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(cls, method, counted)
    return counts

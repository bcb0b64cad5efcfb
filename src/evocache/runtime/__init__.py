"""Executing a schedule in a live pipeline."""

from .apply import Handle, apply
from .stats import Stats

__all__ = ["Handle", "Stats", "apply"]

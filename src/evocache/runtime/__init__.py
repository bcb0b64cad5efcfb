"""Executing a schedule in a live pipeline."""

from .apply import apply
from .handle import Handle
from .stats import Stats

__all__ = ["Handle", "Stats", "apply"]

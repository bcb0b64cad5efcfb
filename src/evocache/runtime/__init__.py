"""Executing a schedule in a live pipeline."""

from .apply import apply
from .call_context import context_of
from .handle import Handle
from .stats import Stats

__all__ = ["Handle", "Stats", "apply", "context_of"]
